/* SpawnPlan of sys.ts to struct plan: once per service and generation, so that a spawn only hands over pointers. */
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "operations.h"
#include "plan.h"

/* Tells our externals from any other's. Random. */
static const napi_type_tag plan_tag = { 0x6b1f0c3d8e4a4f27, 0x9d52a7e1c03b86f4 };

static void free_plan(struct plan *plan)
{
	free(plan->file);
	free_strings(&plan->argv);
	free_strings(&plan->environment);
	free(plan->working_directory);
	free(plan->root_directory);
	free(plan->groups);
	free(plan->limits);
	free(plan);
}

static void finalize_plan(napi_env env, void *data, void *hint)
{
	(void)env;
	(void)hint;
	free_plan(data);
}

struct plan *get_plan(napi_env env, napi_value value)
{
	bool ours = false;
	void *plan = NULL;

	if (napi_check_object_type_tag(env, value, &plan_tag, &ours) != napi_ok || !ours ||
	    napi_get_value_external(env, value, &plan) != napi_ok) {
		throw_type_error(env, "plan", "a PreparedPlan");
		return NULL;
	}
	return plan;
}

static napi_value member(napi_env env, napi_value object, const char *name)
{
	napi_value value = NULL;

	napi_get_named_property(env, object, name, &value);
	return value;
}

/* A member that may be null. */
static bool get_optional_int(napi_env env, napi_value object, const char *name, bool *has, int *result)
{
	napi_value value = member(env, object, name);

	*has = !is_absent(env, value);
	return !*has || to_int(env, value, name, result);
}

static bool get_groups(napi_env env, napi_value value, struct plan *plan)
{
	uint32_t count;

	if (!to_array(env, value, "groups", &count))
		return false;
	plan->groups = calloc((size_t)count + 1, sizeof(gid_t));
	if (plan->groups == NULL)
		return throw_type_error(env, "groups", "a list that fits in memory");
	for (uint32_t i = 0; i < count; i++) {
		napi_value element;

		if (napi_get_element(env, value, i, &element) != napi_ok ||
		    !to_uint32(env, element, "groups", &plan->groups[i]))
			return false;
	}
	plan->group_count = count;
	return true;
}

/* To setresuid and setresgid -1 means "as it is": a handler that is to be somebody else must never stay root by it. */
static bool to_id(napi_env env, napi_value value, const char *name, uint32_t *id)
{
	if (!to_uint32(env, value, name, id))
		return false;
	return *id != UINT32_MAX || throw_type_error(env, name, "a valid id");
}

static bool get_credentials(napi_env env, napi_value value, struct plan *plan)
{
	plan->has_credentials = !is_absent(env, value);
	if (!plan->has_credentials)
		return true;
	return to_id(env, member(env, value, "uid"), "uid", &plan->uid) &&
	       to_id(env, member(env, value, "gid"), "gid", &plan->gid) &&
	       get_groups(env, member(env, value, "groups"), plan);
}

static bool get_limits(napi_env env, napi_value value, struct plan *plan)
{
	uint32_t count;

	if (!to_array(env, value, "limits", &count))
		return false;
	plan->limits = calloc((size_t)count + 1, sizeof(struct limit));
	if (plan->limits == NULL)
		return throw_type_error(env, "limits", "a list that fits in memory");
	for (uint32_t i = 0; i < count; i++) {
		struct limit *limit = &plan->limits[i];
		napi_value element;

		if (napi_get_element(env, value, i, &element) != napi_ok ||
		    !to_int(env, member(env, element, "resource"), "resource", &limit->resource) ||
		    !to_limit(env, member(env, element, "soft"), "soft", &limit->value.rlim_cur) ||
		    !to_limit(env, member(env, element, "hard"), "hard", &limit->value.rlim_max))
			return false;
	}
	plan->limit_count = count;
	return true;
}

static bool get_capabilities(napi_env env, napi_value value, struct plan *plan)
{
	int numbers[CAP_LAST_CAP + 1];
	size_t count = 0;

	plan->has_capabilities = !is_absent(env, value);
	if (plan->has_capabilities &&
	    !to_ints(env, value, "capabilities", numbers, ARRAY_LENGTH(numbers), &count))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (numbers[i] < 0 || numbers[i] > 63)
			return throw_type_error(env, "capabilities", "CAP_* numbers");
		plan->capabilities |= (uint64_t)1 << numbers[i];
	}
	return true;
}

/*
 * Node ignores SIGPIPE and SIGXFSZ; another that was ignored when Node was started is real-time, for it resets the
 * rest. By system call, since glibc does not tell about the two that it uses itself.
 */
static uint64_t ignored_signals(void)
{
	uint64_t ignored = 0;

	for (int signal = 1; signal < _NSIG; signal++) {
		struct {
			void (*handler)(int);
			unsigned long rest[7];
		} action = { 0 };

		if (syscall(SYS_rt_sigaction, signal, NULL, &action, _NSIG / 8) == 0 && action.handler == SIG_IGN)
			ignored |= (uint64_t)1 << (signal - 1);
	}
	return ignored;
}

static bool get_plan_members(napi_env env, napi_value value, struct plan *plan)
{
	napi_value root = member(env, value, "rootDirectory");
	uint32_t umask;

	if (!to_new_text(env, member(env, value, "file"), "file", &plan->file) ||
	    !to_strings(env, member(env, value, "argv"), "argv", &plan->argv) ||
	    !to_strings(env, member(env, value, "environment"), "environment", &plan->environment) ||
	    !to_new_text(env, member(env, value, "workingDirectory"), "workingDirectory", &plan->working_directory) ||
	    (!is_absent(env, root) && !to_new_text(env, root, "rootDirectory", &plan->root_directory)) ||
	    !to_uint32(env, member(env, value, "umask"), "umask", &umask) ||
	    !get_credentials(env, member(env, value, "credentials"), plan) ||
	    !get_limits(env, member(env, value, "limits"), plan) ||
	    !get_optional_int(env, value, "nice", &plan->has_nice, &plan->nice) ||
	    !get_optional_int(env, value, "oomScoreAdjust", &plan->has_oom_score, &plan->oom_score) ||
	    !get_capabilities(env, member(env, value, "capabilities"), plan) ||
	    !to_bool(env, member(env, value, "noNewPrivileges"), "noNewPrivileges", &plan->no_new_privileges))
		return false;
	plan->umask = umask;
	plan->ignored_signals = ignored_signals();
	return true;
}

napi_value op_prepare(napi_env env, napi_callback_info info)
{
	napi_value arg[1], result;
	struct plan *plan;

	if (!get_arguments(env, info, 1, arg))
		return NULL;
	if (!is_type(env, arg[0], napi_object)) {
		throw_type_error(env, "plan", "a SpawnPlan");
		return NULL;
	}
	plan = calloc(1, sizeof(*plan));
	if (plan == NULL)
		return throw_errno(env, "calloc");
	if (!get_plan_members(env, arg[0], plan) ||
	    napi_create_external(env, plan, finalize_plan, NULL, &result) != napi_ok) {
		free_plan(plan);
		return NULL;
	}
	napi_type_tag_object(env, result, &plan_tag);
	return result;
}
