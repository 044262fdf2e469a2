/* What one start adds to its plan, from JavaScript: descriptors, variables, cgroup. The layout is in plan.h. */
#include <stdlib.h>
#include <string.h>

#include "plan.h"

static bool get_descriptors(napi_env env, napi_value value, struct start *start)
{
	uint32_t length;
	size_t count;

	if (!to_array(env, value, "descriptors", &length))
		return false;
	start->descriptors = calloc((size_t)length + 1, sizeof(int));
	if (start->descriptors == NULL)
		return throw_type_error(env, "descriptors", "a list that fits in memory");
	if (!to_ints(env, value, "descriptors", start->descriptors, length, &count))
		return false;
	start->descriptor_count = (int)count;
	return true;
}

/* The entries "LISTEN_PID=" and "WATCHDOG_PID=" give way to the start's own, which the child completes. */
static char *environment_entry(struct start *start, char *entry)
{
	if (strcmp(entry, "LISTEN_PID=") == 0)
		return strcpy(start->listen_pid, entry);
	if (strcmp(entry, "WATCHDOG_PID=") == 0)
		return strcpy(start->watchdog_pid, entry);
	return entry;
}

/* The plan's environment and then this start's variables. */
static bool get_environment(napi_env env, napi_value value, struct start *start)
{
	const struct strings *fixed = &start->plan->environment;
	const struct strings *added = &start->variables;

	if (!to_strings(env, value, "variables", &start->variables))
		return false;
	start->envp = calloc(fixed->count + added->count + 1, sizeof(char *));
	if (start->envp == NULL)
		return throw_type_error(env, "variables", "a list that fits in memory");
	for (size_t i = 0; i < fixed->count; i++)
		start->envp[i] = environment_entry(start, fixed->pointers[i]);
	for (size_t i = 0; i < added->count; i++)
		start->envp[fixed->count + i] = environment_entry(start, added->pointers[i]);
	return true;
}

bool get_start(napi_env env, const napi_value given[static 4], struct start *start)
{
	start->cgroup = -1;
	start->plan = get_plan(env, given[0]);
	return start->plan != NULL && get_descriptors(env, given[1], start) && get_environment(env, given[2], start) &&
	       (is_absent(env, given[3]) || to_int(env, given[3], "cgroup", &start->cgroup));
}

void free_start(struct start *start)
{
	free(start->descriptors);
	free(start->envp);
	free_strings(&start->variables);
}
