/*
 * errno to Node's own shape of a system error, so that code above treats ours and Node's alike.
 * Names and texts are libuv's, as in Node's messages; libuv lacks some that execve, waitid and sendmsg give.
 */
#include <errno.h>
#include <stdio.h>
#include <uv.h>

#include "addon.h"

static const struct {
	int number;
	const char *name;
	const char *text;
} beyond_libuv[] = {
	{ ECHILD, "ECHILD", "no child processes" },
	{ EDEADLK, "EDEADLK", "resource deadlock avoided" },
	{ EDQUOT, "EDQUOT", "disk quota exceeded" },
	{ ELIBBAD, "ELIBBAD", "corrupted shared library" },
	{ ENOEXEC, "ENOEXEC", "exec format error" },
	{ ENOLCK, "ENOLCK", "no locks available" },
	{ ENOTBLK, "ENOTBLK", "block device required" },
	{ ESTALE, "ESTALE", "stale file handle" },
	{ ETOOMANYREFS, "ETOOMANYREFS", "too many descriptors in flight" },
	{ EUSERS, "EUSERS", "too many users" },
};

static void name_error(int error, char *name, size_t name_size, char *text, size_t text_size)
{
	for (size_t i = 0; i < ARRAY_LENGTH(beyond_libuv); i++) {
		if (beyond_libuv[i].number == error) {
			snprintf(name, name_size, "%s", beyond_libuv[i].name);
			snprintf(text, text_size, "%s", beyond_libuv[i].text);
			return;
		}
	}
	uv_err_name_r(-error, name, name_size);
	uv_strerror_r(-error, text, text_size);
}

napi_value system_error(napi_env env, int error, const char *syscall, const char *object)
{
	char name[64], text[128], message[512];
	napi_value result = NULL;

	name_error(error, name, sizeof(name), text, sizeof(text));
	snprintf(message, sizeof(message), "%s %s: %s%s%s", syscall, name, text, object ? " " : "", object ? object : "");
	napi_create_error(env, from_text(env, name), from_text(env, message), &result);
	set_int(env, result, "errno", -error);
	set_text(env, result, "syscall", syscall);
	return result;
}

napi_value throw_system_error(napi_env env, int error, const char *syscall, const char *object)
{
	napi_throw(env, system_error(env, error, syscall, object));
	return NULL;
}

napi_value throw_errno(napi_env env, const char *syscall)
{
	return throw_system_error(env, errno, syscall, NULL);
}

bool throw_type_error(napi_env env, const char *name, const char *what)
{
	char message[256];

	snprintf(message, sizeof(message), "%s must be %s", name, what);
	napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", message);
	return false;
}
