/* What a process can change of itself: its role as a subreaper, its limits, its program. */
#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "operations.h"

napi_value op_set_subreaper(napi_env env, napi_callback_info info)
{
	napi_value arg[1];
	bool on;

	if (!get_arguments(env, info, 1, arg) || !to_bool(env, arg[0], "on", &on))
		return NULL;
	if (prctl(PR_SET_CHILD_SUBREAPER, on, 0, 0, 0) < 0)
		return throw_errno(env, "prctl");
	return NULL;
}

static double from_limit(rlim64_t value)
{
	return value == RLIM64_INFINITY ? -1 : (double)value;
}

napi_value op_getrlimit(napi_env env, napi_callback_info info)
{
	napi_value arg[1], result;
	struct rlimit64 limit;
	int resource;

	if (!get_arguments(env, info, 1, arg) || !to_int(env, arg[0], "resource", &resource))
		return NULL;
	if (prlimit64(0, resource, NULL, &limit) < 0)
		return throw_errno(env, "prlimit");
	result = new_object(env);
	set_double(env, result, "soft", from_limit(limit.rlim_cur));
	set_double(env, result, "hard", from_limit(limit.rlim_max));
	return result;
}

napi_value op_setrlimit(napi_env env, napi_callback_info info)
{
	napi_value arg[3];
	struct rlimit64 limit;
	int resource;

	if (!get_arguments(env, info, 3, arg) || !to_int(env, arg[0], "resource", &resource) ||
	    !to_limit(env, arg[1], "soft", &limit.rlim_cur) || !to_limit(env, arg[2], "hard", &limit.rlim_max))
		return NULL;
	if (prlimit64(0, resource, &limit, NULL) < 0)
		return throw_errno(env, "prlimit");
	return NULL;
}

napi_value op_exec(napi_env env, napi_callback_info info)
{
	napi_value arg[3];
	struct strings argv = { 0 }, environment = { 0 };
	char *file = NULL;

	if (get_arguments(env, info, 3, arg) && to_new_text(env, arg[0], "file", &file) &&
	    to_strings(env, arg[1], "argv", &argv) && to_strings(env, arg[2], "environment", &environment)) {
		execve(file, argv.pointers, environment.pointers);
		throw_system_error(env, errno, "execve", file);
	}
	free(file);
	free_strings(&argv);
	free_strings(&environment);
	return NULL;
}
