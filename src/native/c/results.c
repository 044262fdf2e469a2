/* C to JavaScript. A failure here means that the engine is out of memory or ending: nothing can be done about it. */
#include "addon.h"

napi_value from_int(napi_env env, int value)
{
	napi_value result = NULL;

	napi_create_int32(env, value, &result);
	return result;
}

napi_value from_double(napi_env env, double value)
{
	napi_value result = NULL;

	napi_create_double(env, value, &result);
	return result;
}

napi_value from_bool(napi_env env, bool value)
{
	napi_value result = NULL;

	napi_get_boolean(env, value, &result);
	return result;
}

napi_value from_text(napi_env env, const char *text)
{
	napi_value result = NULL;

	napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &result);
	return result;
}

napi_value from_null(napi_env env)
{
	napi_value result = NULL;

	napi_get_null(env, &result);
	return result;
}

napi_value from_ints(napi_env env, const int *values, size_t count)
{
	napi_value result = NULL;

	napi_create_array_with_length(env, count, &result);
	for (size_t i = 0; i < count; i++)
		napi_set_element(env, result, i, from_int(env, values[i]));
	return result;
}

napi_value new_object(napi_env env)
{
	napi_value result = NULL;

	napi_create_object(env, &result);
	return result;
}

void set(napi_env env, napi_value object, const char *name, napi_value value)
{
	napi_set_named_property(env, object, name, value);
}

void set_int(napi_env env, napi_value object, const char *name, int value)
{
	set(env, object, name, from_int(env, value));
}

void set_double(napi_env env, napi_value object, const char *name, double value)
{
	set(env, object, name, from_double(env, value));
}

void set_bool(napi_env env, napi_value object, const char *name, bool value)
{
	set(env, object, name, from_bool(env, value));
}

void set_text(napi_env env, napi_value object, const char *name, const char *text)
{
	set(env, object, name, from_text(env, text));
}
