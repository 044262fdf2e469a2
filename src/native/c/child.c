/*
 * The child of a spawn, between clone and exec. It runs in our memory, beside our threads, so it makes bare system
 * calls only: no malloc, and never glibc's setuid, setgid or setgroups, which would signal all of *our*
 * threads to change their identity too. Signals are blocked from before the clone until the dispositions are reset.
 *
 * A step returns 0, or -1 with errno (of the suspended thread that we share it with: nobody misses it).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "plan.h"

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
static int write_file(int directory, const char *path, const char *text, size_t length)
{
	int fd = (int)syscall(SYS_openat, directory, path, O_WRONLY | O_CLOEXEC, 0);
	long written;
	int error;

	if (fd < 0)
		return -1;
	written = syscall(SYS_write, fd, text, length);
	error = errno;
	syscall(SYS_close, fd);
	errno = error;
	return written == (long)length ? 0 : -1;
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

static int step_clone(struct start *start)
{
	/* Done, or we would not be here. What is left is to write our pid where the environment wants it. */
	int pid = (int)syscall(SYS_getpid);

	print_int(pid, start->plan->listen_pid + strlen("LISTEN_PID="));
	print_int(pid, start->plan->watchdog_pid + strlen("WATCHDOG_PID="));
	return 0;
}

static int step_cgroup(struct start *start)
{
	return start->cgroup < 0 ? 0 : write_file(start->cgroup, "cgroup.procs", "0", 1);
}

/* descriptors[n] becomes n, whatever the order: first those that stand where another is to go are moved out of it. */
static int step_descriptors(struct start *start)
{
	int count = start->descriptor_count;
	int *from = start->descriptors;

	for (int n = 0; n < count; n++) {
		if (from[n] < 0 || from[n] >= count || from[n] == n)
			continue;
		from[n] = (int)syscall(SYS_fcntl, from[n], F_DUPFD_CLOEXEC, count);
		if (from[n] < 0)
			return -1;
	}
	for (int n = 0; n < count; n++) {
		if (from[n] < 0)
			syscall(SYS_close, n); /* EBADF: it was not open */
		else if (from[n] == n && syscall(SYS_fcntl, n, F_SETFD, 0) < 0)
			return -1;
		else if (from[n] != n && syscall(SYS_dup3, from[n], n, 0) < 0)
			return -1;
	}
	return (int)syscall(SYS_close_range, (unsigned int)count, ~0U, 0);
}

static int step_session(struct start *start)
{
	(void)start;
	return syscall(SYS_setsid) < 0 ? -1 : 0;
}

static int step_priority(struct start *start)
{
	return start->plan->has_nice ? (int)syscall(SYS_setpriority, PRIO_PROCESS, 0, start->plan->nice) : 0;
}

static int step_oom_score(struct start *start)
{
	char text[12];

	if (!start->plan->has_oom_score)
		return 0;
	return write_file(AT_FDCWD, "/proc/self/oom_score_adj", text, print_int(start->plan->oom_score, text));
}

static int step_limits(struct start *start)
{
	const struct plan *plan = start->plan;

	for (size_t i = 0; i < plan->limit_count; i++) {
		if (syscall(SYS_prlimit64, 0, plan->limits[i].resource, &plan->limits[i].value, NULL) < 0)
			return -1;
	}
	return 0;
}

static int step_root_directory(struct start *start)
{
	if (start->plan->root_directory == NULL)
		return 0;
	/* A working directory outside the root would be a way out of it. */
	return syscall(SYS_chroot, start->plan->root_directory) < 0 ? -1 : (int)syscall(SYS_chdir, "/");
}

static int step_groups(struct start *start)
{
	const struct plan *plan = start->plan;

	return plan->has_credentials ? (int)syscall(CALL_SETGROUPS, plan->group_count, plan->groups) : 0;
}

static int step_group(struct start *start)
{
	const struct plan *plan = start->plan;

	return plan->has_credentials ? (int)syscall(CALL_SETRESGID, plan->gid, plan->gid, plan->gid) : 0;
}

static int step_user(struct start *start)
{
	const struct plan *plan = start->plan;

	if (!plan->has_credentials)
		return 0;
	/* Keeps the permitted set over the change, for the next step to choose from; execve clears the flag. */
	if (plan->has_capabilities && syscall(SYS_prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return -1;
	return (int)syscall(CALL_SETRESUID, plan->uid, plan->uid, plan->uid);
}

/* Exactly the listed ones: ambient, so that execve keeps them for a user who is not root (capabilities(7)). */
static int step_capabilities(struct start *start)
{
	const struct plan *plan = start->plan;
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];

	if (!plan->has_capabilities)
		return 0;
	for (int half = 0; half < 2; half++) {
		uint32_t set = (uint32_t)(plan->capabilities >> (32 * half));

		data[half] = (struct __user_cap_data_struct){ .effective = set, .permitted = set, .inheritable = set };
	}
	/* Ours may be ambient already, without being listed. capset takes those out that it makes impossible. */
	if (syscall(SYS_capset, &header, data) < 0)
		return -1;
	for (int number = 0; number < 64; number++) {
		if ((plan->capabilities >> number & 1) &&
		    syscall(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0) < 0)
			return -1;
	}
	return 0;
}

static int step_working_directory(struct start *start)
{
	syscall(SYS_umask, start->plan->umask);
	return (int)syscall(SYS_chdir, start->plan->working_directory);
}

_Static_assert(_NSIG - 1 == 64, "a set of signals is an uint64_t");

/* An ignored signal stays ignored over execve. By system call: 32 and 33 are glibc's, out of sigaction()'s reach. */
static int step_signals(struct start *start)
{
	/* All zero is SIG_DFL without flags, wherever the architecture puts the fields of the kernel's sigaction. */
	static const char by_default[64];
	static const uint64_t none;

	for (int signal = 1; signal < _NSIG; signal++) {
		if ((start->to_reset >> (signal - 1) & 1) == 0 || signal == SIGKILL || signal == SIGSTOP)
			continue;
		if (syscall(SYS_rt_sigaction, signal, by_default, NULL, sizeof(none)) < 0)
			return -1;
	}
	return (int)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none));
}

static int step_exec(struct start *start)
{
	const struct plan *plan = start->plan;

	if (plan->no_new_privileges && syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return (int)syscall(SYS_execve, plan->file, plan->argv.pointers, plan->envp);
}

int run_child(void *argument)
{
	static int (*const steps[])(struct start *) = {
#define STEP(stage, name) step_##stage,
		SPAWN_STAGES(STEP)
#undef STEP
	};
	struct start *start = argument;

	for (enum stage stage = 0; stage < stage_count; stage++) {
		if (steps[stage](start) < 0) {
			start->error = errno;
			start->stage = stage;
			break;
		}
	}
	_exit(127);
}
