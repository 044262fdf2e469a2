/*
 * Makes the child of a spawn: a process that shares our memory (CLONE_VM) until it executes its file or ends, so that
 * nothing of Node's large address space is copied. CLONE_PIDFD gives the descriptor by which its end is learned and it
 * is signalled. It has its own descriptor table and dispositions.
 *
 * One that is alone suspends us meanwhile (CLONE_VFORK). Those that are started together do not; what tells that one
 * has left our memory is then a word that the kernel clears (CLONE_CHILD_CLEARTID), at the same point of execve or exit
 * at which it would have resumed us.
 *
 * clone3 has no wrapper in the C library, but two flags worth calling it by hand for. CLONE_INTO_CGROUP has the child
 * born in its cgroup: moving it afterwards, through cgroup.procs, waits for a grace period of the kernel (9 ms
 * measured) whenever none has moved for a while. CLONE_CLEAR_SIGHAND resets the handlers, which leaves only the signals
 * that were ignored to the child: two or three calls instead of sixty-two, 14 of 100 us measured. On another
 * architecture, or where a container's filter hides clone3 (ENOSYS), the child does both by itself.
 */
#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

#include "plan.h"

/*
 * clone3 for a child with a stack of its own. The child must not return into this frame: it calls run_child at once.
 * Gives the pid, or a negative errno.
 */
static long clone3_child(struct clone_args *args, struct start *start)
{
#if defined(__x86_64__)
	long result;

	__asm__ volatile("syscall\n\t"
			 "testq %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xorl %%ebp, %%ebp\n\t"
			 "movq %[start], %%rdi\n\t"
			 "call *%[run]\n\t"
			 "hlt\n"
			 "1:"
			 : "=a"(result)
			 : "0"((long)SYS_clone3), "D"(args), "S"(sizeof(*args)), [start] "r"(start), [run] "r"(run_child)
			 : "rcx", "r11", "cc", "memory");
	return result;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = SYS_clone3;
	register long x0 __asm__("x0") = (long)args;
	register long x1 __asm__("x1") = sizeof(*args);

	__asm__ volatile("svc #0\n\t"
			 "cbnz x0, 1f\n\t"
			 "mov x29, xzr\n\t"
			 "mov x0, %[start]\n\t"
			 "blr %[run]\n\t"
			 "brk #0\n"
			 "1:"
			 : "+r"(x0)
			 : "r"(x1), "r"(x8), [start] "r"(start), [run] "r"(run_child)
			 : "cc", "memory");
	return x0;
#else
	(void)args;
	(void)start;
	return -ENOSYS;
#endif
}

bool clone_child(struct start *start, char *stack, size_t size, bool suspended)
{
	unsigned long flags = CLONE_VM | CLONE_PIDFD | (suspended ? CLONE_VFORK : CLONE_CHILD_CLEARTID);
	int cgroup = start->cgroup;
	struct clone_args args = {
		.flags = flags | CLONE_CLEAR_SIGHAND | (cgroup < 0 ? 0 : CLONE_INTO_CGROUP),
		.pidfd = (uintptr_t)&start->pidfd,
		.child_tid = (uintptr_t)&start->shares_memory,
		.exit_signal = SIGCHLD,
		.stack = (uintptr_t)stack,
		.stack_size = size,
		.cgroup = cgroup < 0 ? 0 : (unsigned int)cgroup,
	};
	long pid;

	start->shares_memory = !suspended;
	start->cgroup = -1;
	start->to_reset = start->plan->ignored_signals;
	/* Nobody may write these two once there is a child, for it does. */
	start->stage = stage_clone;
	start->error = 0;
	pid = clone3_child(&args, start);
	if (pid == -ENOSYS) {
		start->cgroup = cgroup;
		start->to_reset = ~(uint64_t)0;
		cgroup = -1;
		pid = clone(run_child, stack + size, (int)flags | SIGCHLD, start, &start->pidfd, NULL, &start->shares_memory);
		if (pid < 0)
			pid = -errno;
	}
	start->pid = (pid_t)pid;
	if (pid >= 0)
		return true;
	start->shares_memory = 0;
	start->error = (int)-pid;
	/* These two are for want of room; all others are about the cgroup that was named. */
	if (cgroup >= 0 && pid != -EAGAIN && pid != -ENOMEM)
		start->stage = stage_cgroup;
	return false;
}
