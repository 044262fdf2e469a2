/*
 * An array of JavaScript strings as one block of bytes and one NULL-ended array of pointers: argv, environment, and
 * the variables of one spawn, which fill the same blocks again and again.
 */
#include <stdlib.h>
#include <string.h>

#include "addon.h"

/* Grows a block by doubling, so that a list filled for every spawn soon allocates no more. */
static bool reserve(void **block, size_t *capacity, size_t needed, size_t size)
{
	size_t wanted = *capacity ? *capacity : 16;
	void *grown;

	if (needed <= *capacity)
		return true;
	while (wanted < needed)
		wanted *= 2;
	grown = reallocarray(*block, wanted, size);
	if (grown == NULL)
		return false;
	*block = grown;
	*capacity = wanted;
	return true;
}

/* How many bytes all the strings need, their NULs included. */
static bool measure(napi_env env, napi_value array, const char *name, uint32_t count, size_t *total)
{
	*total = 0;
	for (uint32_t i = 0; i < count; i++) {
		napi_value element;
		size_t length;

		if (napi_get_element(env, array, i, &element) != napi_ok ||
		    napi_get_value_string_utf8(env, element, NULL, 0, &length) != napi_ok)
			return throw_type_error(env, name, "an array of strings");
		*total += length + 1;
	}
	return true;
}

bool to_strings(napi_env env, napi_value value, const char *name, struct strings *strings)
{
	uint32_t count;
	size_t total, used = 0;

	if (!to_array(env, value, name, &count) || !measure(env, value, name, count, &total))
		return false;
	if (!reserve((void **)&strings->pointers, &strings->pointer_capacity, (size_t)count + 1, sizeof(char *)) ||
	    !reserve((void **)&strings->bytes, &strings->byte_capacity, total, 1))
		return throw_type_error(env, name, "an array that fits in memory");

	for (uint32_t i = 0; i < count; i++) {
		char *text = strings->bytes + used;
		napi_value element;
		size_t length;

		/* A getter among the elements could have changed them since they were measured: stay within the block. */
		if (napi_get_element(env, value, i, &element) != napi_ok || used >= total ||
		    napi_get_value_string_utf8(env, element, text, total - used, &length) != napi_ok)
			return throw_type_error(env, name, "an array of strings");
		if (strlen(text) != length)
			return throw_type_error(env, name, "free of NUL");
		strings->pointers[i] = text;
		used += length + 1;
	}
	strings->pointers[count] = NULL;
	strings->count = count;
	return true;
}

void free_strings(struct strings *strings)
{
	free(strings->pointers);
	free(strings->bytes);
	*strings = (struct strings){ 0 };
}
