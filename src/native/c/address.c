/*
 * SocketAddress of sys.ts and the kernel's sockaddr, both ways. A Unix path is a file, "@name" for the abstract
 * namespace (a file whose name begins with @ is written "./@name"), or null for an unnamed socket (unix(7)).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "addon.h"

#define PATH_OFFSET offsetof(struct sockaddr_un, sun_path)

static bool get_text(napi_env env, napi_value object, const char *name, char *buffer, size_t size)
{
	napi_value value;

	return napi_get_named_property(env, object, name, &value) == napi_ok && to_text(env, value, name, buffer, size);
}

static bool get_port(napi_env env, napi_value object, in_port_t *port)
{
	napi_value value;
	uint32_t number;

	if (napi_get_named_property(env, object, "port", &value) != napi_ok || !to_uint32(env, value, "port", &number))
		return false;
	if (number > UINT16_MAX)
		return throw_type_error(env, "port", "at most 65535");
	*port = htons((uint16_t)number);
	return true;
}

static bool to_inet(napi_env env, napi_value value, struct sockaddr_in *address)
{
	char text[INET_ADDRSTRLEN];

	*address = (struct sockaddr_in){ .sin_family = AF_INET };
	if (!get_text(env, value, "address", text, sizeof(text)) || !get_port(env, value, &address->sin_port))
		return false;
	if (inet_pton(AF_INET, text, &address->sin_addr) != 1)
		return throw_type_error(env, "address", "an IPv4 address");
	return true;
}

static bool to_inet6(napi_env env, napi_value value, struct sockaddr_in6 *address)
{
	char text[INET6_ADDRSTRLEN];
	napi_value scope;

	*address = (struct sockaddr_in6){ .sin6_family = AF_INET6 };
	if (!get_text(env, value, "address", text, sizeof(text)) || !get_port(env, value, &address->sin6_port) ||
	    napi_get_named_property(env, value, "scope", &scope) != napi_ok ||
	    !to_uint32(env, scope, "scope", &address->sin6_scope_id))
		return false;
	if (inet_pton(AF_INET6, text, &address->sin6_addr) != 1)
		return throw_type_error(env, "address", "an IPv6 address");
	return true;
}

static bool to_unix(napi_env env, napi_value value, struct sockaddr_un *address, socklen_t *length)
{
	/* One byte more than fits, to tell a path that is too long from one that just fits. */
	char text[sizeof(address->sun_path) + 1];
	napi_value path;
	size_t size;

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	*length = PATH_OFFSET;
	if (napi_get_named_property(env, value, "path", &path) != napi_ok)
		return false;
	if (is_absent(env, path))
		return true;
	if (napi_get_value_string_utf8(env, path, text, sizeof(text), &size) != napi_ok)
		return throw_type_error(env, "path", "a string or null");
	if (size >= sizeof(address->sun_path)) {
		/* Never cut short: that would be another socket. */
		throw_system_error(env, ENAMETOOLONG, "sockaddr_un", text);
		return false;
	}
	memcpy(address->sun_path, text, size);
	if (text[0] == '@') {
		address->sun_path[0] = '\0';
		*length = PATH_OFFSET + size;
	} else if (size == 0 || memchr(text, '\0', size) != NULL) {
		return throw_type_error(env, "path", "a path without NUL, not empty");
	} else {
		*length = PATH_OFFSET + size + 1;
	}
	return true;
}

bool to_address(napi_env env, napi_value value, union address *address, socklen_t *length)
{
	static const struct word families[] = { { "inet", AF_INET }, { "inet6", AF_INET6 }, { "unix", AF_UNIX } };
	napi_value family_value;
	int family;

	if (!is_type(env, value, napi_object))
		return throw_type_error(env, "address", "a SocketAddress");
	if (napi_get_named_property(env, value, "family", &family_value) != napi_ok ||
	    !to_word(env, family_value, "family", families, ARRAY_LENGTH(families), &family))
		return false;
	switch (family) {
	case AF_INET:
		*length = sizeof(struct sockaddr_in);
		return to_inet(env, value, (struct sockaddr_in *)address);
	case AF_INET6:
		*length = sizeof(struct sockaddr_in6);
		return to_inet6(env, value, (struct sockaddr_in6 *)address);
	default:
		return to_unix(env, value, (struct sockaddr_un *)address, length);
	}
}

napi_value from_unix_path(napi_env env, const struct sockaddr_un *address, socklen_t length)
{
	size_t size = length > PATH_OFFSET ? length - PATH_OFFSET : 0;
	napi_value path = NULL;
	char text[sizeof(address->sun_path) + 1];

	if (size > sizeof(address->sun_path))
		size = sizeof(address->sun_path);
	if (size == 0)
		return from_null(env);
	memcpy(text, address->sun_path, size);
	if (text[0] == '\0')
		text[0] = '@';
	else
		size = strnlen(text, size);
	napi_create_string_utf8(env, text, size, &path);
	return path;
}

napi_value from_address(napi_env env, const union address *address, socklen_t length)
{
	const struct sockaddr_in *inet = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *inet6 = (const struct sockaddr_in6 *)address;
	char text[INET6_ADDRSTRLEN];
	napi_value result;

	if (length < sizeof(sa_family_t))
		return from_null(env);
	switch (address->any.sa_family) {
	case AF_INET:
		result = new_object(env);
		set_text(env, result, "family", "inet");
		set_text(env, result, "address", inet_ntop(AF_INET, &inet->sin_addr, text, sizeof(text)));
		set_int(env, result, "port", ntohs(inet->sin_port));
		return result;
	case AF_INET6:
		result = new_object(env);
		set_text(env, result, "family", "inet6");
		set_text(env, result, "address", inet_ntop(AF_INET6, &inet6->sin6_addr, text, sizeof(text)));
		set_int(env, result, "port", ntohs(inet6->sin6_port));
		set_double(env, result, "scope", inet6->sin6_scope_id);
		return result;
	case AF_UNIX:
		result = new_object(env);
		set_text(env, result, "family", "unix");
		set(env, result, "path", from_unix_path(env, (const struct sockaddr_un *)address, length));
		return result;
	default:
		return from_null(env);
	}
}

void describe_address(const union address *address, socklen_t length, char *text, size_t size)
{
	const struct sockaddr_in *inet = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *inet6 = (const struct sockaddr_in6 *)address;
	const struct sockaddr_un *local = (const struct sockaddr_un *)address;
	char host[INET6_ADDRSTRLEN];

	switch (address->any.sa_family) {
	case AF_INET:
		inet_ntop(AF_INET, &inet->sin_addr, host, sizeof(host));
		snprintf(text, size, "%s:%u", host, ntohs(inet->sin_port));
		break;
	case AF_INET6:
		inet_ntop(AF_INET6, &inet6->sin6_addr, host, sizeof(host));
		snprintf(text, size, "[%s]:%u", host, ntohs(inet6->sin6_port));
		break;
	default:
		if (length <= PATH_OFFSET)
			snprintf(text, size, "(unnamed)");
		else if (local->sun_path[0] == '\0')
			snprintf(text, size, "@%.*s", (int)(length - PATH_OFFSET - 1), local->sun_path + 1);
		else
			snprintf(text, size, "%.*s", (int)(length - PATH_OFFSET), local->sun_path);
	}
}
