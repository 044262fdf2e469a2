/*
 * accept4(2): on the way of every connection. The descriptor comes out blocking, because the flag would be shared with
 * the handler that gets it, and the address comes from accept itself, because getpeername fails once the client is gone.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "operations.h"

napi_value op_accept(napi_env env, napi_callback_info info)
{
	napi_value arg[1], peer, result;
	union address address;
	socklen_t length = sizeof(address);
	int listener, fd;

	if (!get_arguments(env, info, 1, arg) || !to_int(env, arg[0], "fd", &listener))
		return NULL;
	fd = accept4(listener, &address.any, &length, SOCK_CLOEXEC);
	if (fd < 0)
		return errno == EAGAIN ? from_null(env) : throw_errno(env, "accept4");

	peer = from_address(env, &address, length);
	if (is_type(env, peer, napi_null)) {
		close(fd);
		return throw_system_error(env, EAFNOSUPPORT, "accept4", NULL);
	}
	result = new_object(env);
	set_int(env, result, "fd", fd);
	set(env, result, "peer", peer);
	return result;
}
