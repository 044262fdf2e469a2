/* The module: exports every operation of operations.h, the constants and the names of the spawn's stages. */
#include "operations.h"

NAPI_MODULE_INIT()
{
#define DESCRIBE_OPERATION(name, function) \
	{ #name, NULL, function, NULL, NULL, NULL, napi_enumerable, NULL },
	const napi_property_descriptor operations[] = { OPERATIONS(DESCRIBE_OPERATION) };
#undef DESCRIBE_OPERATION

	if (napi_define_properties(env, exports, ARRAY_LENGTH(operations), operations) != napi_ok)
		return NULL;
	if (!init_watches(env))
		return NULL;
	set(env, exports, "constants", make_constants(env));
	set(env, exports, "spawnStages", make_spawn_stages(env));
	return exports;
}
