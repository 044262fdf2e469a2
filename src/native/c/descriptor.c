/* What can be done to any descriptor: read, write, close, dup, flags, pipe, poll, ioctl. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <uv.h>

#include "operations.h"

static bool get_fd(napi_env env, napi_callback_info info, int *fd)
{
	napi_value arg[1];

	return get_arguments(env, info, 1, arg) && to_int(env, arg[0], "fd", fd);
}

static bool get_fd_and_bytes(napi_env env, napi_callback_info info, int *fd, uint8_t **bytes, size_t *length)
{
	napi_value arg[2];

	return get_arguments(env, info, 2, arg) && to_int(env, arg[0], "fd", fd) &&
	       to_bytes(env, arg[1], "buffer", bytes, length);
}

static bool get_fd_and_flag(napi_env env, napi_callback_info info, int *fd, bool *flag)
{
	napi_value arg[2];

	return get_arguments(env, info, 2, arg) && to_int(env, arg[0], "fd", fd) && to_bool(env, arg[1], "flag", flag);
}

napi_value op_read(napi_env env, napi_callback_info info)
{
	uint8_t *bytes;
	size_t length;
	ssize_t count;
	int fd;

	if (!get_fd_and_bytes(env, info, &fd, &bytes, &length))
		return NULL;
	count = read(fd, bytes, length);
	if (count < 0)
		return errno == EAGAIN ? from_null(env) : throw_errno(env, "read");
	return from_double(env, (double)count);
}

napi_value op_write(napi_env env, napi_callback_info info)
{
	uint8_t *bytes;
	size_t length;
	ssize_t count;
	int fd;

	if (!get_fd_and_bytes(env, info, &fd, &bytes, &length))
		return NULL;
	count = write(fd, bytes, length);
	if (count < 0)
		return errno == EAGAIN ? from_null(env) : throw_errno(env, "write");
	return from_double(env, (double)count);
}

napi_value op_close(napi_env env, napi_callback_info info)
{
	int fd;

	if (!get_fd(env, info, &fd))
		return NULL;
	/* Linux has freed the number before close can be interrupted: closing again could hit another's descriptor. */
	if (close(fd) < 0 && errno != EINTR)
		return throw_errno(env, "close");
	return NULL;
}

napi_value op_dup(napi_env env, napi_callback_info info)
{
	napi_value arg[2];
	int fd, least = 3, copy;

	if (!get_arguments(env, info, 2, arg) || !to_int(env, arg[0], "fd", &fd) ||
	    (!is_absent(env, arg[1]) && !to_int(env, arg[1], "least", &least)))
		return NULL;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, least);
	return copy < 0 ? throw_errno(env, "dup") : from_int(env, copy);
}

/* Reads flags with one fcntl command and writes them with another, if they change. */
static napi_value set_flag(napi_env env, int fd, int get_command, int set_command, int flag, bool on)
{
	int flags = fcntl(fd, get_command);

	if (flags < 0 || (((flags & flag) != 0) != on && fcntl(fd, set_command, flags ^ flag) < 0))
		return throw_errno(env, "fcntl");
	return NULL;
}

napi_value op_set_blocking(napi_env env, napi_callback_info info)
{
	bool blocking;
	int fd;

	if (!get_fd_and_flag(env, info, &fd, &blocking))
		return NULL;
	return set_flag(env, fd, F_GETFL, F_SETFL, O_NONBLOCK, !blocking);
}

napi_value op_is_blocking(napi_env env, napi_callback_info info)
{
	int fd, flags;

	if (!get_fd(env, info, &fd))
		return NULL;
	flags = fcntl(fd, F_GETFL);
	return flags < 0 ? throw_errno(env, "fcntl") : from_bool(env, (flags & O_NONBLOCK) == 0);
}

napi_value op_set_close_on_exec(napi_env env, napi_callback_info info)
{
	bool close_on_exec;
	int fd;

	if (!get_fd_and_flag(env, info, &fd, &close_on_exec))
		return NULL;
	return set_flag(env, fd, F_GETFD, F_SETFD, FD_CLOEXEC, close_on_exec);
}

napi_value op_pipe(napi_env env, napi_callback_info info)
{
	int ends[2];

	(void)info;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return throw_errno(env, "pipe2");
	return from_ints(env, ends, 2);
}

napi_value op_poll(napi_env env, napi_callback_info info)
{
	struct pollfd one = { .events = POLLIN | POLLOUT | POLLRDHUP };
	int events = 0;

	if (!get_fd(env, info, &one.fd))
		return NULL;
	/* It never waits, and yet a signal may interrupt it: the question is asked again. */
	int ready;
	do
		ready = poll(&one, 1, 0);
	while (ready < 0 && errno == EINTR);
	if (ready < 0)
		return throw_errno(env, "poll");
	/* A negative number is left out without a word. */
	if (one.fd < 0 || (one.revents & POLLNVAL))
		return throw_system_error(env, EBADF, "poll", NULL);
	if (one.revents & POLLIN)
		events |= UV_READABLE;
	if (one.revents & POLLOUT)
		events |= UV_WRITABLE;
	if (one.revents & (POLLRDHUP | POLLHUP))
		events |= UV_DISCONNECT;
	return from_int(env, events);
}

napi_value op_ioctl_int(napi_env env, napi_callback_info info)
{
	napi_value arg[2];
	uint32_t request;
	int fd, value = 0;

	if (!get_arguments(env, info, 2, arg) || !to_int(env, arg[0], "fd", &fd) ||
	    !to_uint32(env, arg[1], "request", &request))
		return NULL;
	if (ioctl(fd, request, &value) < 0)
		return throw_errno(env, "ioctl");
	return from_int(env, value);
}
