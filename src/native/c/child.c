/*
 * The child of a spawn, between clone and exec. It runs in our memory, beside our threads, so it makes bare system
 * calls only (raw.h): no malloc, no errno, which would be that of our suspended thread and of the children started
 * together with this one, and never glibc's setuid, setgid or setgroups, which would signal all of *our* threads to
 * change their identity too. Signals are blocked from before the clone until the dispositions are reset.
 *
 * A step returns 0 (or more), or a negative errno.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#include "plan.h"
#include "raw.h"

/* The 16-bit calls of old 32-bit architectures have successors under names of their own. */
#ifdef SYS_setgroups32
#define CALL_SETGROUPS SYS_setgroups32
#define CALL_SETRESGID SYS_setresgid32
#define CALL_SETRESUID SYS_setresuid32
#else
#define CALL_SETGROUPS SYS_setgroups
#define CALL_SETRESGID SYS_setresgid
#define CALL_SETRESUID SYS_setresuid
#endif

/* Writes to a file of the kernel's, which takes a short write whole or not at all. */
static long write_file(int directory, const char *path, const char *text, size_t length)
{
	long fd = call(SYS_openat, directory, path, O_WRONLY | O_CLOEXEC, 0);
	long written;

	if (fd < 0)
		return fd;
	written = call(SYS_write, fd, text, length);
	call(SYS_close, fd);
	return written;
}

/* Decimal, without the C library. Returns the length; `text` has room for 12. */
static size_t print_int(int number, char *text)
{
	unsigned int rest = number < 0 ? 0U - (unsigned int)number : (unsigned int)number;
	char digits[12];
	size_t count = 0, length = 0;

	do {
		digits[count++] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (number < 0)
		text[length++] = '-';
	while (count > 0)
		text[length++] = digits[--count];
	text[length] = '\0';
	return length;
}

static long step_clone(struct start *start)
{
	/* Done, or we would not be here. What is left is to write our pid where the environment wants it. */
	int pid = (int)call(SYS_getpid);

	print_int(pid, start->listen_pid + strlen("LISTEN_PID="));
	print_int(pid, start->watchdog_pid + strlen("WATCHDOG_PID="));
	return 0;
}

static long step_cgroup(struct start *start)
{
	return start->cgroup < 0 ? 0 : write_file(start->cgroup, "cgroup.procs", "0", 1);
}

/* descriptors[n] becomes n, whatever the order: first those that stand where another is to go are moved out of it. */
static long step_descriptors(struct start *start)
{
	int count = start->descriptor_count;
	int *from = start->descriptors;
	long copy;

	for (int n = 0; n < count; n++) {
		if (from[n] < 0 || from[n] >= count || from[n] == n)
			continue;
		copy = call(SYS_fcntl, from[n], F_DUPFD_CLOEXEC, count);
		if (copy < 0)
			return copy;
		from[n] = (int)copy;
	}
	for (int n = 0; n < count; n++) {
		if (from[n] < 0) {
			call(SYS_close, n); /* EBADF: it was not open */
			continue;
		}
		copy = from[n] == n ? call(SYS_fcntl, n, F_SETFD, 0) : call(SYS_dup3, from[n], n, 0);
		if (copy < 0)
			return copy;
	}
	return call(SYS_close_range, (unsigned int)count, ~0U, 0);
}

static long step_session(struct start *start)
{
	(void)start;
	return call(SYS_setsid);
}

static long step_priority(struct start *start)
{
	return start->plan->has_nice ? call(SYS_setpriority, PRIO_PROCESS, 0, start->plan->nice) : 0;
}

static long step_oom_score(struct start *start)
{
	char text[12];

	if (!start->plan->has_oom_score)
		return 0;
	return write_file(AT_FDCWD, "/proc/self/oom_score_adj", text, print_int(start->plan->oom_score, text));
}

static long step_limits(struct start *start)
{
	const struct plan *plan = start->plan;

	for (size_t i = 0; i < plan->limit_count; i++) {
		long result = call(SYS_prlimit64, 0, plan->limits[i].resource, &plan->limits[i].value, NULL);

		if (result < 0)
			return result;
	}
	return 0;
}

static long step_root_directory(struct start *start)
{
	long result;

	if (start->plan->root_directory == NULL)
		return 0;
	result = call(SYS_chroot, start->plan->root_directory);
	/* A working directory outside the root would be a way out of it. */
	return result < 0 ? result : call(SYS_chdir, "/");
}

static long step_groups(struct start *start)
{
	const struct plan *plan = start->plan;

	return plan->has_credentials ? call(CALL_SETGROUPS, plan->group_count, plan->groups) : 0;
}

static long step_group(struct start *start)
{
	const struct plan *plan = start->plan;

	return plan->has_credentials ? call(CALL_SETRESGID, plan->gid, plan->gid, plan->gid) : 0;
}

static long step_user(struct start *start)
{
	const struct plan *plan = start->plan;
	long result = 0;

	if (!plan->has_credentials)
		return 0;
	/* Keeps the permitted set over the change, for the next step to choose from; execve clears the flag. */
	if (plan->has_capabilities)
		result = call(SYS_prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0);
	return result < 0 ? result : call(CALL_SETRESUID, plan->uid, plan->uid, plan->uid);
}

/* Exactly the listed ones: ambient, so that execve keeps them for a user who is not root (capabilities(7)). */
static long step_capabilities(struct start *start)
{
	const struct plan *plan = start->plan;
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];
	long result;

	if (!plan->has_capabilities)
		return 0;
	for (int half = 0; half < 2; half++) {
		uint32_t set = (uint32_t)(plan->capabilities >> (32 * half));

		data[half] = (struct __user_cap_data_struct){ .effective = set, .permitted = set, .inheritable = set };
	}
	/* Ours may be ambient already, without being listed. capset takes those out that it makes impossible. */
	result = call(SYS_capset, &header, data);
	for (int number = 0; number < 64 && result >= 0; number++) {
		if (plan->capabilities >> number & 1)
			result = call(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0);
	}
	return result;
}

static long step_working_directory(struct start *start)
{
	call(SYS_umask, start->plan->umask);
	return call(SYS_chdir, start->plan->working_directory);
}

_Static_assert(_NSIG - 1 == 64, "a set of signals is an uint64_t");

/* An ignored signal stays ignored over execve. By system call: 32 and 33 are glibc's, out of sigaction()'s reach. */
static long step_signals(struct start *start)
{
	/* All zero is SIG_DFL without flags, wherever the architecture puts the fields of the kernel's sigaction. */
	static const char by_default[64];
	static const uint64_t none;
	long result;

	for (int signal = 1; signal < _NSIG; signal++) {
		if ((start->to_reset >> (signal - 1) & 1) == 0 || signal == SIGKILL || signal == SIGSTOP)
			continue;
		result = call(SYS_rt_sigaction, signal, by_default, NULL, sizeof(none));
		if (result < 0)
			return result;
	}
	return call(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none));
}

static long step_exec(struct start *start)
{
	const struct plan *plan = start->plan;
	long result = 0;

	if (plan->no_new_privileges)
		result = call(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return result < 0 ? result : call(SYS_execve, plan->file, plan->argv.pointers, start->envp);
}

int run_child(void *argument)
{
	static long (*const steps[])(struct start *) = {
#define STEP(stage, name) step_##stage,
		SPAWN_STAGES(STEP)
#undef STEP
	};
	struct start *start = argument;

	for (enum stage stage = 0; stage < stage_count; stage++) {
		long result = steps[stage](start);

		if (result < 0) {
			start->error = (int)-result;
			start->stage = stage;
			break;
		}
	}
	for (;;)
		call(SYS_exit_group, 127);
}
