/* spawn() and spawnAll() as JavaScript sees them. How children are made is in launch.c, what a plan holds in plan.h. */
#include <stdlib.h>

#include "operations.h"
#include "plan.h"

/* At once: what a burst of connections brings, and 2 MiB of stacks. */
#define MOST_STARTS 64

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

static napi_value stage_error(napi_env env, const struct start *start)
{
	napi_value result = system_error(env, start->error, "spawn", stage_object(start->plan, start->stage));

	set_text(env, result, "stage", stage_names[start->stage]);
	return result;
}

/* A SpawnedChild. */
static napi_value from_child(napi_env env, const struct start *start)
{
	napi_value result = new_object(env);

	set_int(env, result, "pid", start->pid);
	set_int(env, result, "pidfd", start->pidfd);
	return result;
}

napi_value op_spawn(napi_env env, napi_callback_info info)
{
	napi_value arg[4], result = NULL;
	struct start start = { 0 };

	if (!get_arguments(env, info, 4, arg))
		return NULL;
	if (get_start(env, arg, &start)) {
		launch(&start, 1);
		if (start.error == 0)
			result = from_child(env, &start);
		else
			napi_throw(env, stage_error(env, &start));
	}
	free_start(&start);
	return result;
}

/* One start as an object with the parameters of spawn as its members. */
static bool get_start_object(napi_env env, napi_value object, struct start *start)
{
	static const char *const members[] = { "plan", "descriptors", "variables", "cgroup" };
	napi_value given[ARRAY_LENGTH(members)];

	if (!is_type(env, object, napi_object))
		return throw_type_error(env, "starts", "an array of objects");
	for (size_t i = 0; i < ARRAY_LENGTH(members); i++) {
		/* A getter that throws. */
		if (napi_get_named_property(env, object, members[i], &given[i]) != napi_ok)
			return false;
	}
	return get_start(env, given, start);
}

static bool get_starts(napi_env env, napi_value array, struct start *starts, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		napi_value element;

		if (napi_get_element(env, array, i, &element) != napi_ok || !get_start_object(env, element, &starts[i]))
			return false;
	}
	return true;
}

static napi_value from_starts(napi_env env, const struct start *starts, uint32_t count)
{
	napi_value result = NULL;

	napi_create_array_with_length(env, count, &result);
	for (uint32_t i = 0; i < count; i++)
		napi_set_element(env, result, i,
				 starts[i].error == 0 ? from_child(env, &starts[i]) : stage_error(env, &starts[i]));
	return result;
}

napi_value op_spawn_all(napi_env env, napi_callback_info info)
{
	napi_value arg[1], result = NULL;
	struct start *starts;
	uint32_t count;

	if (!get_arguments(env, info, 1, arg) || !to_array(env, arg[0], "starts", &count))
		return NULL;
	if (count > MOST_STARTS) {
		throw_type_error(env, "starts", "an array of at most 64");
		return NULL;
	}
	starts = calloc((size_t)count + 1, sizeof(*starts));
	if (starts == NULL)
		return throw_errno(env, "calloc");
	if (get_starts(env, arg[0], starts, count)) {
		launch(starts, count);
		result = from_starts(env, starts, count);
	}
	for (uint32_t i = 0; i < count; i++)
		free_start(&starts[i]);
	free(starts);
	return result;
}
