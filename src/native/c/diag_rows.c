/* Rows of equal size, filled message by message, and the same as one typed array per column. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"

/* What strangers can make us hold is bounded; who has more sockets than this at one port has other troubles. */
#define MOST_ROWS (1u << 20)

void *add_row(struct rows *rows)
{
	if (rows->count == rows->capacity) {
		size_t capacity = rows->capacity == 0 ? 64 : rows->capacity * 2;
		void *items = capacity > MOST_ROWS ? NULL : realloc(rows->items, capacity * rows->size);

		if (items == NULL)
			return NULL;
		rows->items = items;
		rows->capacity = capacity;
	}
	return memset(rows->items + rows->count++ * rows->size, 0, rows->size);
}

void free_rows(struct rows *rows)
{
	free(rows->items);
	*rows = (struct rows){ .size = rows->size };
}

static size_t element_size(napi_typedarray_type type)
{
	switch (type) {
	case napi_uint8_array:
		return 1;
	case napi_uint16_array:
		return 2;
	case napi_uint32_array:
		return 4;
	default:
		return 8;
	}
}

/* A typed array must begin at a multiple of its element's size; 8 is one of all. */
static size_t column_bytes(const struct column *column, size_t count)
{
	return (count * column->length * element_size(column->type) + 7) & ~(size_t)7;
}

static void copy_column(const struct rows *rows, const struct column *column, unsigned char *to)
{
	size_t size = column->length * element_size(column->type);
	const unsigned char *from = rows->items + column->offset;

	for (size_t i = 0; i < rows->count; i++, from += rows->size, to += size)
		memcpy(to, from, size);
}

napi_value from_rows(napi_env env, const struct rows *rows, const struct column *columns, size_t column_count)
{
	napi_value result = new_object(env), buffer;
	size_t total = 0, at = 0;
	void *bytes;

	for (size_t i = 0; i < column_count; i++)
		total += column_bytes(&columns[i], rows->count);
	if (napi_create_arraybuffer(env, total, &bytes, &buffer) != napi_ok)
		return NULL;
	set_double(env, result, "count", (double)rows->count);
	set_bool(env, result, "inconsistent", rows->inconsistent);
	for (size_t i = 0; i < column_count; i++) {
		const struct column *column = &columns[i];
		napi_value view = NULL;

		if (rows->count > 0)
			copy_column(rows, column, (unsigned char *)bytes + at);
		napi_create_typedarray(env, column->type, rows->count * column->length, buffer, at, &view);
		set(env, result, column->name, view);
		at += column_bytes(column, rows->count);
	}
	return result;
}

uint64_t join_cookie(const __u32 *halves)
{
	return (uint64_t)halves[1] << 32 | halves[0];
}

bool to_cookie(napi_env env, napi_value value, __u32 *halves)
{
	char text[24], *end;
	uint64_t cookie;

	if (!to_text(env, value, "cookie", text, sizeof(text)))
		return false;
	cookie = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0')
		return throw_type_error(env, "cookie", "a decimal number as text");
	halves[0] = (__u32)cookie;
	halves[1] = (__u32)(cookie >> 32);
	return true;
}
