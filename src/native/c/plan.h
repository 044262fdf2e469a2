/*
 * A spawn, in three parts: what is the same for every start of a handler (struct plan, laid out once by prepare()),
 * what one start adds (struct start), and the steps that the child takes (the stages). plan.c reads the first from
 * JavaScript, start.c the second; child.c takes the steps, clone.c makes the process, launch.c sees it off, alone or
 * with others at once; spawn.c is what JavaScript calls.
 */
#ifndef TINETD_PLAN_H
#define TINETD_PLAN_H

#include <linux/capability.h>
#include <sys/resource.h>

#include "addon.h"

struct limit {
	int resource;
	struct rlimit64 value;
};

struct plan {
	char *file;
	struct strings argv;
	struct strings environment;
	char *working_directory;
	char *root_directory; /* NULL: ours */
	mode_t umask;

	bool has_credentials;
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	size_t group_count;

	struct limit *limits;
	size_t limit_count;

	bool has_nice, has_oom_score, has_capabilities;
	int nice;
	int oom_score;
	uint64_t capabilities; /* a bit per CAP_* number */
	bool no_new_privileges;
	/* Those that were ignored when the plan was prepared, signal n as bit n - 1. Nothing in Node ignores more later. */
	uint64_t ignored_signals;
};

/*
 * The steps between clone and exec in the order in which they are taken: identifier, name in `spawnStages` of sys.ts.
 * Descriptors come before the limits, since a low RLIMIT_NOFILE would refuse the spare numbers that a permutation
 * needs. What takes privileges (priority, limits, root) comes before the identity changes, the capabilities after it,
 * since setresuid clears the ambient ones, and the working directory last: it must be one that the user may enter.
 */
#define SPAWN_STAGES(X)                               \
	X(clone, "clone")                             \
	X(cgroup, "cgroup")                           \
	X(descriptors, "descriptors")                 \
	X(session, "session")                         \
	X(priority, "priority")                       \
	X(oom_score, "oom score")                     \
	X(limits, "limits")                           \
	X(root_directory, "root directory")           \
	X(groups, "groups")                           \
	X(group, "group")                             \
	X(user, "user")                               \
	X(capabilities, "capabilities")               \
	X(working_directory, "working directory")     \
	X(signals, "signals")                         \
	X(exec, "exec")

enum stage {
#define STAGE_NUMBER(stage, name) stage_##stage,
	SPAWN_STAGES(STAGE_NUMBER)
#undef STAGE_NUMBER
	stage_count,
};

/* "LISTEN_PID=" or "WATCHDOG_PID=" and the decimal digits of a pid. */
#define PID_ENTRY 32

/*
 * One start. Everything that its child reads or writes is in here or in the plan, which no child writes to: several
 * may be under way at once, of one plan too. The child shares our memory until it executes its file, so this is also
 * how it reports a failure.
 */
struct start {
	const struct plan *plan;
	/* descriptors[n] becomes n in the child, -1 leaves it closed. The child overwrites these with its copies. */
	int *descriptors;
	int descriptor_count;
	/* The environment: the plan's entries, then `variables`. NULL-ended. */
	char **envp;
	struct strings variables;
	/* Those two entries of it, where they are wanted: the child writes its pid behind the "=". */
	char listen_pid[PID_ENTRY];
	char watchdog_pid[PID_ENTRY];
	/* Directory descriptor of the cgroup; for the child, of one that it is still to enter. -1: none. */
	int cgroup;
	/* The signals whose disposition the child is to reset, signal n as bit n - 1. Set by clone_child. */
	uint64_t to_reset;

	/* The child, if it was made. */
	pid_t pid;
	int pidfd;
	/* Where it failed, with its errno; 0 if it did not. */
	enum stage stage;
	int error;
	/* A futex: 1 while a child that does not suspend us uses our memory. The kernel clears and wakes it. */
	uint32_t shares_memory;
};

/* plan.c: the plan behind a PreparedPlan, or NULL with a TypeError thrown. */
struct plan *get_plan(napi_env env, napi_value value);

/* start.c: what a spawn was given, in `start`, all zero before; false with a TypeError thrown. Free it either way. */
bool get_start(napi_env env, const napi_value given[static 4], struct start *start);
void free_start(struct start *start);

/* child.c: takes the steps. Ends in execve, or with start->stage and start->error set. */
int run_child(void *start);

/*
 * clone.c: makes the child, with the `size` bytes at `stack` for its own. Returns when it has executed its file or
 * ended (`suspended`), or at once, with start->shares_memory to tell. False with start->stage and start->error set if
 * there is no child.
 */
bool clone_child(struct start *start, char *stack, size_t size, bool suspended);

/* launch.c: returns when each has executed its file or failed; of those that failed nothing is left. */
void launch(struct start *starts, size_t count);

#endif
