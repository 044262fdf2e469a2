/* JavaScript values to C, strictly: a number that is not what the system call takes is refused, never rounded. */
#include <stdlib.h>
#include <string.h>

#include "addon.h"

bool get_arguments(napi_env env, napi_callback_info info, size_t count, napi_value *values)
{
	return napi_get_cb_info(env, info, &count, values, NULL, NULL) == napi_ok;
}

bool to_int(napi_env env, napi_value value, const char *name, int *result)
{
	double number;

	if (napi_get_value_double(env, value, &number) != napi_ok || !(number >= INT32_MIN && number <= INT32_MAX) ||
	    number != (int)number)
		return throw_type_error(env, name, "a 32-bit integer");
	*result = (int)number;
	return true;
}

bool to_uint32(napi_env env, napi_value value, const char *name, uint32_t *result)
{
	double number;

	if (napi_get_value_double(env, value, &number) != napi_ok || !(number >= 0 && number <= UINT32_MAX) ||
	    number != (uint32_t)number)
		return throw_type_error(env, name, "an unsigned 32-bit integer");
	*result = (uint32_t)number;
	return true;
}

bool to_limit(napi_env env, napi_value value, const char *name, rlim64_t *result)
{
	double number;

	/* 2^64 itself no longer fits; as a double, nothing lies between the largest that does and it. */
	if (napi_get_value_double(env, value, &number) != napi_ok ||
	    (number != -1 && !(number >= 0 && number < 18446744073709551616.0)))
		return throw_type_error(env, name, "a number of at least 0, or -1 for no limit");
	*result = number == -1 ? RLIM64_INFINITY : (rlim64_t)number;
	return true;
}

bool to_bool(napi_env env, napi_value value, const char *name, bool *result)
{
	if (napi_get_value_bool(env, value, result) != napi_ok)
		return throw_type_error(env, name, "a boolean");
	return true;
}

bool to_bytes(napi_env env, napi_value value, const char *name, uint8_t **bytes, size_t *length)
{
	napi_typedarray_type type;
	bool is_array = false;
	void *data = NULL;

	if (napi_is_typedarray(env, value, &is_array) != napi_ok || !is_array ||
	    napi_get_typedarray_info(env, value, &type, length, &data, NULL, NULL) != napi_ok || type != napi_uint8_array)
		return throw_type_error(env, name, "a Uint8Array");
	*bytes = data;
	return true;
}

bool to_text(napi_env env, napi_value value, const char *name, char *buffer, size_t size)
{
	size_t length;

	if (napi_get_value_string_utf8(env, value, NULL, 0, &length) != napi_ok)
		return throw_type_error(env, name, "a string");
	if (length >= size)
		return throw_type_error(env, name, "a shorter string");
	napi_get_value_string_utf8(env, value, buffer, size, &length);
	if (strlen(buffer) != length)
		return throw_type_error(env, name, "a string without NUL");
	return true;
}

bool to_new_text(napi_env env, napi_value value, const char *name, char **text)
{
	size_t length;

	*text = NULL;
	if (napi_get_value_string_utf8(env, value, NULL, 0, &length) != napi_ok)
		return throw_type_error(env, name, "a string");
	*text = malloc(length + 1);
	if (*text == NULL)
		return throw_type_error(env, name, "a string that fits in memory");
	if (to_text(env, value, name, *text, length + 1))
		return true;
	free(*text);
	*text = NULL;
	return false;
}

bool is_type(napi_env env, napi_value value, napi_valuetype type)
{
	napi_valuetype actual;

	return napi_typeof(env, value, &actual) == napi_ok && actual == type;
}

bool is_absent(napi_env env, napi_value value)
{
	return is_type(env, value, napi_undefined) || is_type(env, value, napi_null);
}

bool to_word(napi_env env, napi_value value, const char *name, const struct word *words, size_t count, int *result)
{
	char text[16];

	if (!to_text(env, value, name, text, sizeof(text)))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(words[i].text, text) == 0) {
			*result = words[i].number;
			return true;
		}
	}
	return throw_type_error(env, name, "one of the names in sys.ts");
}

bool to_array(napi_env env, napi_value value, const char *name, uint32_t *length)
{
	bool is_array = false;

	if (napi_is_array(env, value, &is_array) != napi_ok || !is_array ||
	    napi_get_array_length(env, value, length) != napi_ok)
		return throw_type_error(env, name, "an array");
	return true;
}

bool to_ints(napi_env env, napi_value value, const char *name, int *result, size_t most, size_t *count)
{
	uint32_t length;

	if (!to_array(env, value, name, &length))
		return false;
	if (length > most)
		return throw_type_error(env, name, "a shorter array");
	for (uint32_t i = 0; i < length; i++) {
		napi_value element;

		if (napi_get_element(env, value, i, &element) != napi_ok || !to_int(env, element, name, &result[i]))
			return false;
	}
	*count = length;
	return true;
}
