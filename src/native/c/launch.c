/*
 * Makes children and waits until they have left our memory, one alone or several at once. At once, because an exec
 * takes the kernel some hundred microseconds in which a daemon that starts one child after another keeps all processors
 * but one idle.
 *
 * While a child shares our memory it must be let be:
 *  - every signal is blocked, in us and so in the children, since a handler of ours must not run in one of them;
 *  - each has a stack and a struct start of its own. The C library's thread-local data are common to all of them,
 *    errno among them: children touch none of it (raw.h). The other threads of Node go on, and have data of their own.
 *  - a child that changes its user makes the memory undumpable, for it must not be traced by that user as long as it
 *    has our memory. What it was is put back when the last has left it.
 */
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "plan.h"
#include "raw.h"

/* Room for the few small frames of child.c, many times over. */
#define STACK_SIZE (32 * 1024)

/* The child's stack is on ours: we do not run while it is in use. */
static void launch_alone(struct start *start)
{
	char stack[STACK_SIZE] __attribute__((aligned(16)));

	clone_child(start, stack, sizeof(stack), true);
}

/* CLONE_CHILD_CLEARTID wakes as if other processes could wait on the word: no FUTEX_PRIVATE_FLAG. */
static void await_release(const uint32_t *shares_memory)
{
	while (__atomic_load_n(shares_memory, __ATOMIC_ACQUIRE) != 0)
		call(SYS_futex, shares_memory, FUTEX_WAIT, 1, NULL, NULL);
}

static void launch_together(struct start *starts, size_t count, char *stacks)
{
	for (size_t i = 0; i < count; i++)
		clone_child(&starts[i], stacks + i * STACK_SIZE, STACK_SIZE, false);
	for (size_t i = 0; i < count; i++)
		await_release(&starts[i].shares_memory);
}

/*
 * Whether the children cannot disturb each other. A daemon that may change users without being root could: the first
 * child to do so makes /proc/self root's in the others too, where they may have their OOM score still to write.
 */
static bool may_overlap(const struct start *starts, size_t count)
{
	bool root = geteuid() == 0;

	for (size_t i = 0; i < count && !root; i++) {
		if (starts[i].plan->has_credentials)
			return false;
	}
	return RAW_CALLS_SHARE_NOTHING && count > 1;
}

/* With stacks for all of them, or the one that there is without. */
static void launch_shielded(struct start *starts, size_t count, char *stacks)
{
	sigset_t all, before;
	int dumpable = prctl(PR_GET_DUMPABLE);

	/* By system call, since glibc's pthread_sigmask leaves out the signals that it uses itself. */
	memset(&all, 0xff, sizeof(all));
	call(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, _NSIG / 8);
	if (stacks == NULL)
		launch_alone(starts);
	else
		launch_together(starts, count, stacks);
	if (dumpable == 1)
		prctl(PR_SET_DUMPABLE, 1);
	call(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, _NSIG / 8);
}

/* A child that failed is ending by itself: this waits for no more than that, and leaves no zombie. */
static void bury(struct start *start)
{
	if (start->pid < 0 || start->error == 0)
		return;
	while (waitpid(start->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	close(start->pidfd);
}

void launch(struct start *starts, size_t count)
{
	size_t size = count * STACK_SIZE;
	char *stacks = MAP_FAILED;

	if (may_overlap(starts, count))
		stacks = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (stacks != MAP_FAILED) {
		launch_shielded(starts, count, stacks);
		munmap(stacks, size);
	} else {
		/* One after another needs no memory of its own. */
		for (size_t i = 0; i < count; i++)
			launch_shielded(&starts[i], 1, NULL);
	}
	for (size_t i = 0; i < count; i++)
		bury(&starts[i]);
}
