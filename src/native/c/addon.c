/* The module: exports every operation of operations.h, the constants and the names of the spawn's stages. */
#include <stdlib.h>

#include "operations.h"

static void free_environment(napi_env env, void *data, void *hint)
{
	(void)env;
	(void)hint;
	free(data);
}

static bool init_environment(napi_env env)
{
	struct environment *environment = calloc(1, sizeof(*environment));

	if (environment == NULL || napi_set_instance_data(env, environment, free_environment, NULL) != napi_ok)
		return false;
	environment->watches = new_watches(env);
	environment->relays = new_relays(env);
	return environment->watches != NULL && environment->relays != NULL;
}

struct environment *get_environment(napi_env env)
{
	void *environment = NULL;

	napi_get_instance_data(env, &environment);
	return environment;
}

NAPI_MODULE_INIT()
{
#define DESCRIBE_OPERATION(name, function) \
	{ #name, NULL, function, NULL, NULL, NULL, napi_enumerable, NULL },
	const napi_property_descriptor operations[] = { OPERATIONS(DESCRIBE_OPERATION) };
#undef DESCRIBE_OPERATION

	if (napi_define_properties(env, exports, ARRAY_LENGTH(operations), operations) != napi_ok)
		return NULL;
	if (!init_environment(env))
		return NULL;
	set(env, exports, "constants", make_constants(env));
	set(env, exports, "spawnStages", make_spawn_stages(env));
	return exports;
}
