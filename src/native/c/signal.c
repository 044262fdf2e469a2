/* Signals: to one process by its pidfd, which cannot mean another, and to a process group. */
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "operations.h"

napi_value op_pidfd_open(napi_env env, napi_callback_info info)
{
	napi_value arg[1];
	int pid, fd;

	if (!get_arguments(env, info, 1, arg) || !to_int(env, arg[0], "pid", &pid))
		return NULL;
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	return fd < 0 ? throw_errno(env, "pidfd_open") : from_int(env, fd);
}

napi_value op_signal_process(napi_env env, napi_callback_info info)
{
	napi_value arg[2];
	int pidfd, signal;

	if (!get_arguments(env, info, 2, arg) || !to_int(env, arg[0], "pidfd", &pidfd) ||
	    !to_int(env, arg[1], "signal", &signal))
		return NULL;
	if (syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) == 0)
		return from_bool(env, true);
	return errno == ESRCH ? from_bool(env, false) : throw_errno(env, "pidfd_send_signal");
}

napi_value op_signal_group(napi_env env, napi_callback_info info)
{
	napi_value arg[2];
	int group, signal;

	if (!get_arguments(env, info, 2, arg) || !to_int(env, arg[0], "group", &group) ||
	    !to_int(env, arg[1], "signal", &signal))
		return NULL;
	/* To kill(2), 0 is our own group and -1 every process there is. */
	if (group < 2)
		return throw_system_error(env, EINVAL, "kill", NULL);
	if (kill(-group, signal) == 0)
		return from_bool(env, true);
	return errno == ESRCH ? from_bool(env, false) : throw_errno(env, "kill");
}
