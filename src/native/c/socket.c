/* socket(2), socketpair(2), bind(2), listen(2), connect(2), getsockname(2), getpeername(2), shutdown(2). */
#include <errno.h>
#include <sys/socket.h>

#include "operations.h"

static const struct word domains[] = {
	{ "inet", AF_INET }, { "inet6", AF_INET6 }, { "unix", AF_UNIX }, { "netlink", AF_NETLINK },
};

static const struct word types[] = {
	{ "stream", SOCK_STREAM }, { "dgram", SOCK_DGRAM }, { "seqpacket", SOCK_SEQPACKET }, { "raw", SOCK_RAW },
};

static const struct word hows[] = { { "read", SHUT_RD }, { "write", SHUT_WR }, { "both", SHUT_RDWR } };

napi_value op_socket(napi_env env, napi_callback_info info)
{
	napi_value arg[3];
	int domain, type, protocol = 0, fd;

	if (!get_arguments(env, info, 3, arg) ||
	    !to_word(env, arg[0], "domain", domains, ARRAY_LENGTH(domains), &domain) ||
	    !to_word(env, arg[1], "type", types, ARRAY_LENGTH(types), &type) ||
	    (!is_absent(env, arg[2]) && !to_int(env, arg[2], "protocol", &protocol)))
		return NULL;
	fd = socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
	return fd < 0 ? throw_errno(env, "socket") : from_int(env, fd);
}

napi_value op_socketpair(napi_env env, napi_callback_info info)
{
	napi_value arg[1];
	int type, ends[2];

	if (!get_arguments(env, info, 1, arg) || !to_word(env, arg[0], "type", types, ARRAY_LENGTH(types), &type))
		return NULL;
	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) < 0)
		return throw_errno(env, "socketpair");
	return from_ints(env, ends, 2);
}

/* bind and connect: both take a descriptor and an address, and their failure names the address. */
static bool get_fd_and_address(napi_env env, napi_callback_info info, int *fd, union address *address, socklen_t *length)
{
	napi_value arg[2];

	return get_arguments(env, info, 2, arg) && to_int(env, arg[0], "fd", fd) &&
	       to_address(env, arg[1], address, length);
}

static napi_value throw_with_address(napi_env env, const char *syscall, const union address *address, socklen_t length)
{
	int error = errno;
	char text[ADDRESS_TEXT];

	describe_address(address, length, text, sizeof(text));
	return throw_system_error(env, error, syscall, text);
}

napi_value op_bind(napi_env env, napi_callback_info info)
{
	union address address;
	socklen_t length;
	int fd;

	if (!get_fd_and_address(env, info, &fd, &address, &length))
		return NULL;
	if (bind(fd, &address.any, length) < 0)
		return throw_with_address(env, "bind", &address, length);
	return NULL;
}

napi_value op_connect(napi_env env, napi_callback_info info)
{
	union address address;
	socklen_t length;
	int fd;

	if (!get_fd_and_address(env, info, &fd, &address, &length))
		return NULL;
	if (connect(fd, &address.any, length) == 0)
		return from_bool(env, true);
	/* EAGAIN is a full backlog for a Unix socket, but no free port (a real failure) for the others. */
	if (errno == EINPROGRESS || errno == EALREADY || (errno == EAGAIN && address.any.sa_family == AF_UNIX))
		return from_bool(env, false);
	return throw_with_address(env, "connect", &address, length);
}

napi_value op_listen(napi_env env, napi_callback_info info)
{
	napi_value arg[2];
	int fd, backlog;

	if (!get_arguments(env, info, 2, arg) || !to_int(env, arg[0], "fd", &fd) ||
	    !to_int(env, arg[1], "backlog", &backlog))
		return NULL;
	if (listen(fd, backlog) < 0)
		return throw_errno(env, "listen");
	return NULL;
}

static napi_value get_name(napi_env env, napi_callback_info info, bool peer)
{
	const char *syscall = peer ? "getpeername" : "getsockname";
	napi_value arg[1], result;
	union address address;
	socklen_t length = sizeof(address);
	int fd;

	if (!get_arguments(env, info, 1, arg) || !to_int(env, arg[0], "fd", &fd))
		return NULL;
	if ((peer ? getpeername(fd, &address.any, &length) : getsockname(fd, &address.any, &length)) < 0)
		return throw_errno(env, syscall);
	result = from_address(env, &address, length);
	return is_type(env, result, napi_null) ? throw_system_error(env, EAFNOSUPPORT, syscall, NULL) : result;
}

napi_value op_getsockname(napi_env env, napi_callback_info info)
{
	return get_name(env, info, false);
}

napi_value op_getpeername(napi_env env, napi_callback_info info)
{
	return get_name(env, info, true);
}

napi_value op_shutdown(napi_env env, napi_callback_info info)
{
	napi_value arg[2];
	int fd, how;

	if (!get_arguments(env, info, 2, arg) || !to_int(env, arg[0], "fd", &fd) ||
	    !to_word(env, arg[1], "how", hows, ARRAY_LENGTH(hows), &how))
		return NULL;
	if (shutdown(fd, how) < 0)
		return throw_errno(env, "shutdown");
	return NULL;
}
