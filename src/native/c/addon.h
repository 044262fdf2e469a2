/*
 * What every file of the addon shares: JavaScript values to C (arguments.c, strings.c, address.c), C to JavaScript
 * (results.c, address.c) and errno to an exception (errors.c).
 *
 * A conversion that fails throws a TypeError and returns false; the operation then returns NULL at once. An
 * operation that has thrown returns NULL too, which JavaScript sees as undefined if nothing was thrown.
 */
#ifndef TINETD_ADDON_H
#define TINETD_ADDON_H

#define NAPI_VERSION 8

#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/types.h>

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* ---- arguments.c: JavaScript to C ---- */

/* Reads `count` arguments; missing ones are undefined. */
bool get_arguments(napi_env env, napi_callback_info info, size_t count, napi_value *values);

/* `name` is what the TypeError calls the value. */
bool to_int(napi_env env, napi_value value, const char *name, int *result);
bool to_uint32(napi_env env, napi_value value, const char *name, uint32_t *result);
/* A resource limit: -1 is RLIM64_INFINITY. */
bool to_limit(napi_env env, napi_value value, const char *name, rlim64_t *result);
bool to_bool(napi_env env, napi_value value, const char *name, bool *result);

/* A Uint8Array (a Buffer is one). The bytes stay JavaScript's and are valid until the operation returns. */
bool to_bytes(napi_env env, napi_value value, const char *name, uint8_t **bytes, size_t *length);

/* A string without NUL of at most `size` - 1 bytes in `buffer`. */
bool to_text(napi_env env, napi_value value, const char *name, char *buffer, size_t size);

/* A string without NUL of any length; the caller frees it. */
bool to_new_text(napi_env env, napi_value value, const char *name, char **text);

/* True for undefined and null: an argument that was left out. */
bool is_absent(napi_env env, napi_value value);

bool is_type(napi_env env, napi_value value, napi_valuetype type);

/* A word of a closed set, such as "stream", to its number. */
struct word {
	const char *text;
	int number;
};
bool to_word(napi_env env, napi_value value, const char *name, const struct word *words, size_t count, int *result);

bool to_array(napi_env env, napi_value value, const char *name, uint32_t *length);

/* An array of descriptors or other ints, at most `most`; `*count` says how many. */
bool to_ints(napi_env env, napi_value value, const char *name, int *result, size_t most, size_t *count);

/* ---- strings.c: an array of strings as execve wants it ---- */

/* `pointers` ends with NULL. Both blocks are kept and grown when the same list is filled again. */
struct strings {
	char **pointers;
	char *bytes;
	size_t count;
	size_t pointer_capacity;
	size_t byte_capacity;
};

bool to_strings(napi_env env, napi_value value, const char *name, struct strings *strings);
void free_strings(struct strings *strings);

/* ---- address.c: SocketAddress of sys.ts, and sockaddr ---- */

union address {
	struct sockaddr any;
	struct sockaddr_storage storage;
};

bool to_address(napi_env env, napi_value value, union address *address, socklen_t *length);

/* Null for a family that sys.ts does not know (netlink), or no address at all. */
napi_value from_address(napi_env env, const union address *address, socklen_t length);

/* Its `path` alone: a file, "@name", or null for an unnamed socket. */
struct sockaddr_un;
napi_value from_unix_path(napi_env env, const struct sockaddr_un *address, socklen_t length);

/* For messages: "127.0.0.1:80", "[::1]:80", "/run/x.sock". */
void describe_address(const union address *address, socklen_t length, char *text, size_t size);
#define ADDRESS_TEXT 128

/* ---- results.c: C to JavaScript ---- */

napi_value from_int(napi_env env, int value);
napi_value from_double(napi_env env, double value);
napi_value from_bool(napi_env env, bool value);
napi_value from_text(napi_env env, const char *text);
napi_value from_null(napi_env env);
napi_value from_ints(napi_env env, const int *values, size_t count);
napi_value new_object(napi_env env);
void set(napi_env env, napi_value object, const char *name, napi_value value);
void set_int(napi_env env, napi_value object, const char *name, int value);
void set_double(napi_env env, napi_value object, const char *name, double value);
void set_bool(napi_env env, napi_value object, const char *name, bool value);
void set_text(napi_env env, napi_value object, const char *name, const char *text);

/* ---- errors.c ---- */

/*
 * Throw the system error of `errno` or `error` as Node shapes it: "bind EADDRINUSE: address already in use
 * 127.0.0.1:80" with `code`, `errno` (negative) and `syscall`. `object`, what was acted on, may be NULL. All return
 * NULL, so that an operation can end with them.
 */
napi_value throw_errno(napi_env env, const char *syscall);
napi_value throw_system_error(napi_env env, int error, const char *syscall, const char *object);

/* The same, not thrown. */
napi_value system_error(napi_env env, int error, const char *syscall, const char *object);

/* A programming error of the caller's: TypeError "`name` must be `what`". Returns false for the conversions. */
bool throw_type_error(napi_env env, const char *name, const char *what);

#endif
