/* Names of the network: interfaces and services. */
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>

#include "operations.h"

napi_value op_interface_index(napi_env env, napi_callback_info info)
{
	napi_value arg[1];
	char name[256];

	if (!get_arguments(env, info, 1, arg) || !to_text(env, arg[0], "name", name, sizeof(name)))
		return NULL;
	return from_double(env, if_nametoindex(name));
}

napi_value op_service_port(napi_env env, napi_callback_info info)
{
	napi_value arg[2];
	struct servent entry, *found = NULL;
	char name[256], protocol[8], buffer[4096];
	int error;

	if (!get_arguments(env, info, 2, arg) || !to_text(env, arg[0], "name", name, sizeof(name)) ||
	    !to_text(env, arg[1], "protocol", protocol, sizeof(protocol)))
		return NULL;
	error = getservbyname_r(name, protocol, &entry, buffer, sizeof(buffer), &found);
	if (found != NULL)
		return from_int(env, ntohs((uint16_t)found->s_port));
	return error == 0 || error == ENOENT ? from_null(env) : throw_system_error(env, error, "getservbyname", name);
}
