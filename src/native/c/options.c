/* getsockopt(2) and setsockopt(2), and the options that have a shape of their own. */
#include <errno.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "operations.h"

static bool get_option(napi_env env, const napi_value *arg, int *fd, int *level, int *option)
{
	return to_int(env, arg[0], "fd", fd) && to_int(env, arg[1], "level", level) &&
	       to_int(env, arg[2], "option", option);
}

napi_value op_getsockopt(napi_env env, napi_callback_info info)
{
	napi_value arg[3];
	int fd, level, option, value = 0;
	socklen_t length = sizeof(value);

	if (!get_arguments(env, info, 3, arg) || !get_option(env, arg, &fd, &level, &option))
		return NULL;
	if (getsockopt(fd, level, option, &value, &length) < 0)
		return throw_errno(env, "getsockopt");
	return from_int(env, value);
}

napi_value op_getsockopt_bytes(napi_env env, napi_callback_info info)
{
	napi_value arg[4], buffer, result = NULL;
	int fd, level, option;
	uint32_t size;
	socklen_t length;
	void *value;

	if (!get_arguments(env, info, 4, arg) || !get_option(env, arg, &fd, &level, &option) ||
	    !to_uint32(env, arg[3], "size", &size) || napi_create_arraybuffer(env, size, &value, &buffer) != napi_ok)
		return NULL;
	length = size;
	if (getsockopt(fd, level, option, value, &length) < 0)
		return throw_errno(env, "getsockopt");
	/* Some options tell the length that they would need, not the one that they wrote. */
	napi_create_typedarray(env, napi_uint8_array, length < size ? length : size, buffer, 0, &result);
	return result;
}

napi_value op_setsockopt(napi_env env, napi_callback_info info)
{
	napi_value arg[4];
	int fd, level, option, number;
	const void *value = &number;
	size_t length = sizeof(number);
	char text[256];
	uint8_t *bytes;

	if (!get_arguments(env, info, 4, arg) || !get_option(env, arg, &fd, &level, &option))
		return NULL;
	if (is_type(env, arg[3], napi_number)) {
		if (!to_int(env, arg[3], "value", &number))
			return NULL;
	} else if (is_type(env, arg[3], napi_string)) {
		if (!to_text(env, arg[3], "value", text, sizeof(text)))
			return NULL;
		value = text;
		length = strlen(text);
	} else {
		if (!to_bytes(env, arg[3], "value", &bytes, &length))
			return NULL;
		value = bytes;
	}
	if (setsockopt(fd, level, option, value, length) < 0)
		return throw_errno(env, "setsockopt");
	return NULL;
}

napi_value op_peer_credentials(napi_env env, napi_callback_info info)
{
	napi_value arg[1], result;
	struct ucred peer;
	socklen_t length = sizeof(peer);
	int fd;

	if (!get_arguments(env, info, 1, arg) || !to_int(env, arg[0], "fd", &fd))
		return NULL;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
		return throw_errno(env, "getsockopt");
	result = new_object(env);
	set_int(env, result, "pid", peer.pid);
	set_double(env, result, "uid", peer.uid);
	set_double(env, result, "gid", peer.gid);
	return result;
}

napi_value op_socket_cookie(napi_env env, napi_callback_info info)
{
	napi_value arg[1];
	uint64_t cookie;
	socklen_t length = sizeof(cookie);
	char text[24];
	int fd;

	if (!get_arguments(env, info, 1, arg) || !to_int(env, arg[0], "fd", &fd))
		return NULL;
	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length) < 0)
		return throw_errno(env, "getsockopt");
	/* As text: it has 64 bits, more than a number of JavaScript holds. */
	snprintf(text, sizeof(text), "%" PRIu64, cookie);
	return from_text(env, text);
}

static bool to_instructions(napi_env env, napi_value program, uint32_t count, struct sock_filter *filter)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t part[4];

		for (uint32_t j = 0; j < 4; j++) {
			napi_value element;

			if (napi_get_element(env, program, i * 4 + j, &element) != napi_ok ||
			    !to_uint32(env, element, "program", &part[j]))
				return false;
		}
		if (part[0] > UINT16_MAX || part[1] > UINT8_MAX || part[2] > UINT8_MAX)
			return throw_type_error(env, "program", "made of code (16 bits), jt, jf (8 bits) and k (32 bits)");
		filter[i] = (struct sock_filter){ (uint16_t)part[0], (uint8_t)part[1], (uint8_t)part[2], part[3] };
	}
	return true;
}

napi_value op_attach_filter(napi_env env, napi_callback_info info)
{
	napi_value arg[2], result = NULL;
	struct sock_fprog program;
	uint32_t length;
	int fd;

	if (!get_arguments(env, info, 2, arg) || !to_int(env, arg[0], "fd", &fd) ||
	    !to_array(env, arg[1], "program", &length))
		return NULL;
	if (length % 4 != 0) {
		throw_type_error(env, "program", "four numbers per instruction");
		return NULL;
	}
	if (length / 4 > BPF_MAXINSNS)
		return throw_system_error(env, EINVAL, "setsockopt", "SO_ATTACH_FILTER");
	program.len = (unsigned short)(length / 4);
	program.filter = calloc(program.len + 1, sizeof(*program.filter));
	if (program.filter == NULL)
		return throw_errno(env, "calloc");
	if (to_instructions(env, arg[1], program.len, program.filter) &&
	    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0)
		result = throw_system_error(env, errno, "setsockopt", "SO_ATTACH_FILTER");
	free(program.filter);
	return result;
}
