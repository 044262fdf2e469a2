/* spawn(): the parent's side. What the child does is in child.c, what a plan holds in plan.h. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "operations.h"
#include "plan.h"

static const char *const stage_names[] = {
#define STAGE_NAME(stage, name) name,
	SPAWN_STAGES(STAGE_NAME)
#undef STAGE_NAME
};

napi_value make_spawn_stages(napi_env env)
{
	napi_value result = NULL;

	napi_create_array_with_length(env, stage_count, &result);
	for (uint32_t i = 0; i < stage_count; i++)
		napi_set_element(env, result, i, from_text(env, stage_names[i]));
	return result;
}

static bool get_descriptors(napi_env env, napi_value value, struct plan *plan, struct start *start)
{
	uint32_t length;
	size_t count;

	if (!to_array(env, value, "descriptors", &length))
		return false;
	if (length > plan->descriptor_capacity) {
		int *grown = reallocarray(plan->descriptors, length, sizeof(int));

		if (grown == NULL)
			return throw_type_error(env, "descriptors", "a list that fits in memory");
		plan->descriptors = grown;
		plan->descriptor_capacity = length;
	}
	if (!to_ints(env, value, "descriptors", plan->descriptors, length, &count))
		return false;
	start->descriptors = plan->descriptors;
	start->descriptor_count = (int)count;
	return true;
}

/* The entries "LISTEN_PID=" and "WATCHDOG_PID=" give way to the plan's own, which the child completes. */
static char *environment_entry(struct plan *plan, char *entry)
{
	if (strcmp(entry, "LISTEN_PID=") == 0)
		return strcpy(plan->listen_pid, entry);
	if (strcmp(entry, "WATCHDOG_PID=") == 0)
		return strcpy(plan->watchdog_pid, entry);
	return entry;
}

/* The plan's environment and then this start's variables. */
static bool get_environment(napi_env env, napi_value value, struct plan *plan)
{
	size_t count, fixed = plan->environment.count;

	if (!to_strings(env, value, "variables", &plan->variables))
		return false;
	count = fixed + plan->variables.count;
	if (count >= plan->envp_capacity) {
		char **grown = reallocarray(plan->envp, count + 1, sizeof(char *));

		if (grown == NULL)
			return throw_type_error(env, "variables", "a list that fits in memory");
		plan->envp = grown;
		plan->envp_capacity = count + 1;
	}
	for (size_t i = 0; i < fixed; i++)
		plan->envp[i] = environment_entry(plan, plan->environment.pointers[i]);
	for (size_t i = fixed; i < count; i++)
		plan->envp[i] = environment_entry(plan, plan->variables.pointers[i - fixed]);
	plan->envp[count] = NULL;
	return true;
}

/*
 * Clones with every signal blocked: a handler of ours must not run in the child. By system call, since glibc's
 * pthread_sigmask leaves out the signals that it uses itself.
 *
 * A child that changes its user makes the memory that it shares with us undumpable, for it must not be traced by that
 * user while it does. Once it has executed its file the memory is ours alone again and what it was is put back.
 */
static pid_t clone_shielded(struct start *start, int *pidfd)
{
	sigset_t all, before;
	int dumpable = prctl(PR_GET_DUMPABLE);
	int error;
	pid_t pid;

	memset(&all, 0xff, sizeof(all));
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, _NSIG / 8);
	pid = clone_child(start, pidfd);
	error = errno;
	if (dumpable == 1)
		prctl(PR_SET_DUMPABLE, 1);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, _NSIG / 8);
	errno = error;
	return pid;
}

/* The path that a stage was about, if any. */
static const char *stage_object(const struct plan *plan, enum stage stage)
{
	switch (stage) {
	case stage_root_directory:
		return plan->root_directory;
	case stage_working_directory:
		return plan->working_directory;
	case stage_exec:
		return plan->file;
	default:
		return NULL;
	}
}

static napi_value throw_at_stage(napi_env env, const struct plan *plan, enum stage stage, int error)
{
	napi_value result = system_error(env, error, "spawn", stage_object(plan, stage));

	set_text(env, result, "stage", stage_names[stage]);
	napi_throw(env, result);
	return NULL;
}

napi_value op_spawn(napi_env env, napi_callback_info info)
{
	napi_value arg[4], result;
	struct start start = { .cgroup = -1, .stage = stage_clone };
	struct plan *plan;
	int pidfd = -1;
	pid_t pid;

	if (!get_arguments(env, info, 4, arg))
		return NULL;
	plan = get_plan(env, arg[0]);
	if (plan == NULL || !get_descriptors(env, arg[1], plan, &start) || !get_environment(env, arg[2], plan) ||
	    (!is_absent(env, arg[3]) && !to_int(env, arg[3], "cgroup", &start.cgroup)))
		return NULL;
	start.plan = plan;

	pid = clone_shielded(&start, &pidfd);
	if (pid < 0)
		return throw_at_stage(env, plan, start.stage, errno);
	if (start.error != 0) {
		/* It is ending by itself: this waits for no more than that, and leaves no zombie. */
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			continue;
		close(pidfd);
		return throw_at_stage(env, plan, start.stage, start.error);
	}
	result = new_object(env);
	set_int(env, result, "pid", pid);
	set_int(env, result, "pidfd", pidfd);
	return result;
}
