/*
 * A relay as a value: the state that one is begun with, and the state that another is to be begun with when the
 * descriptors go on without it, to another process image or to somebody else (RelayState of sys.ts).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "relay.h"

const char *const way_names[] = { "aToB", "bToA" };

static napi_value member(napi_env env, napi_value object, const char *name)
{
	napi_value value = NULL;

	napi_get_named_property(env, object, name, &value);
	return value;
}

static bool to_count(napi_env env, napi_value value, const char *name, uint64_t *result)
{
	double number;

	if (napi_get_value_double(env, value, &number) != napi_ok || !(number >= 0 && number <= 9007199254740991.0))
		return throw_type_error(env, name, "a number of at least 0");
	*result = (uint64_t)number;
	return true;
}

/* Bytes to be given first. */
static bool get_unsent(napi_env env, napi_value value, const char *name, struct way *way)
{
	uint8_t *bytes;
	size_t length;

	if (!to_bytes(env, value, name, &bytes, &length))
		return false;
	if (length == 0)
		return true;
	way->kept = malloc(length);
	if (way->kept == NULL)
		return throw_type_error(env, name, "bytes that fit in memory");
	memcpy(way->kept, bytes, length);
	way->left = way->kept;
	way->left_length = length;
	way->blocked = true;
	return true;
}

/* A RelayWay of sys.ts. */
static bool get_way(napi_env env, napi_value value, struct way *way)
{
	if (!to_count(env, member(env, value, "bytes"), "bytes", &way->bytes) ||
	    !get_unsent(env, member(env, value, "unsent"), "unsent", way) ||
	    !to_bool(env, member(env, value, "ended"), "ended", &way->ended))
		return false;
	/* The end is passed on with the last byte, or it still waits behind that. */
	way->passed = way->ended && !way->blocked;
	return true;
}

bool get_relay_options(napi_env env, napi_value options, struct relay *relay, uint64_t *idle)
{
	napi_value prefix, resume;

	*idle = 0;
	if (is_absent(env, options))
		return true;
	if (!is_type(env, options, napi_object))
		return throw_type_error(env, "options", "an object");
	prefix = member(env, options, "prefixToB");
	resume = member(env, options, "resume");
	if (is_absent(env, resume))
		return is_absent(env, prefix) || get_unsent(env, prefix, "prefixToB", &relay->ways[0]);
	if (!is_absent(env, prefix))
		return throw_type_error(env, "prefixToB", "absent where a relay is resumed");
	if (!is_type(env, resume, napi_object))
		return throw_type_error(env, "resume", "a RelayState");
	for (int i = 0; i < 2; i++) {
		if (!get_way(env, member(env, resume, way_names[i]), &relay->ways[i]))
			return false;
	}
	return to_count(env, member(env, resume, "idleMs"), "idleMs", idle);
}

double idle_ms(const struct relay *relay)
{
	return (double)(uv_now(relay->sides[0].poll.loop) - relay->active_at);
}

static bool copy_bytes(napi_env env, const uint8_t *bytes, size_t length, napi_value *result)
{
	napi_value buffer;
	void *copy;

	if (napi_create_arraybuffer(env, length, &copy, &buffer) != napi_ok ||
	    napi_create_typedarray(env, napi_uint8_array, length, buffer, 0, result) != napi_ok)
		return false;
	if (length > 0)
		memcpy(copy, bytes, length);
	return true;
}

/* A RelayWay of sys.ts, or NULL. */
static napi_value from_way(napi_env env, struct relays *all, struct way *way)
{
	napi_value result = new_object(env), unsent;

	if (!unpipe(all, way)) {
		throw_system_error(env, ENOMEM, "relay", NULL);
		return NULL;
	}
	if (!copy_bytes(env, way->left, way->left_length, &unsent))
		return NULL;
	set_double(env, result, "bytes", (double)way->bytes);
	set(env, result, "unsent", unsent);
	set_bool(env, result, "ended", way->ended);
	return result;
}

napi_value get_state(napi_env env, struct relay *relay)
{
	napi_value result = new_object(env);

	set_int(env, result, "a", relay->sides[0].fd);
	set_int(env, result, "b", relay->sides[1].fd);
	set_double(env, result, "idleMs", idle_ms(relay));
	for (int i = 0; i < 2; i++) {
		napi_value way = from_way(env, relay->all, &relay->ways[i]);

		if (way == NULL)
			return NULL;
		set(env, result, way_names[i], way);
	}
	return result;
}
