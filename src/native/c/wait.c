/*
 * waitid(2), by system call: only the call itself takes the rusage that says what a child has used. Never waits: each
 * of these answers null while there is nothing to report.
 */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "operations.h"

/* Values of linux/wait.h, which cannot be included beside sys/wait.h; older ones of that lack the third. */
enum { WAIT_ALL = 0, WAIT_PID = 1, WAIT_PIDFD = 3 };

static double microseconds(struct timeval time)
{
	return (double)time.tv_sec * 1e6 + (double)time.tv_usec;
}

static napi_value from_exit(napi_env env, const siginfo_t *info, const struct rusage *usage)
{
	napi_value result = new_object(env);
	bool exited = info->si_code == CLD_EXITED;

	set_int(env, result, "pid", info->si_pid);
	set(env, result, "code", exited ? from_int(env, info->si_status) : from_null(env));
	set(env, result, "signal", exited ? from_null(env) : from_int(env, info->si_status));
	set_double(env, result, "userMicroseconds", microseconds(usage->ru_utime));
	set_double(env, result, "systemMicroseconds", microseconds(usage->ru_stime));
	set_double(env, result, "maxResidentKilobytes", (double)usage->ru_maxrss);
	return result;
}

static napi_value wait_for(napi_env env, int type, int id, int options)
{
	siginfo_t info = { .si_pid = 0 };
	struct rusage usage;

	if (syscall(SYS_waitid, type, id, &info, WEXITED | WNOHANG | options, &usage) < 0) {
		/* A pidfd that is non-blocking, as every watched descriptor is, answers so while the child runs. */
		return errno == EAGAIN ? from_null(env) : throw_errno(env, "waitid");
	}
	return info.si_pid == 0 ? from_null(env) : from_exit(env, &info, &usage);
}

napi_value op_wait(napi_env env, napi_callback_info info)
{
	napi_value arg[2];
	bool peek = false;
	int pidfd;

	if (!get_arguments(env, info, 2, arg) || !to_int(env, arg[0], "pidfd", &pidfd) ||
	    (!is_absent(env, arg[1]) && !to_bool(env, arg[1], "peek", &peek)))
		return NULL;
	return wait_for(env, WAIT_PIDFD, pidfd, peek ? WNOWAIT : 0);
}

napi_value op_wait_pid(napi_env env, napi_callback_info info)
{
	napi_value arg[1];
	int pid;

	if (!get_arguments(env, info, 1, arg) || !to_int(env, arg[0], "pid", &pid))
		return NULL;
	return wait_for(env, WAIT_PID, pid, 0);
}

napi_value op_peek_ended_child(napi_env env, napi_callback_info info)
{
	siginfo_t ended = { .si_pid = 0 };

	(void)info;
	if (syscall(SYS_waitid, WAIT_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT, NULL) < 0 && errno != ECHILD)
		return throw_errno(env, "waitid");
	return ended.si_pid == 0 ? from_null(env) : from_int(env, ended.si_pid);
}
