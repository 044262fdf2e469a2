/*
 * What the files of sock_diag(7) share: a conversation with the kernel over a netlink descriptor (diag.c), and rows of
 * equal size that JavaScript gets as columns (diag_rows.c), since thousands of sockets as thousands of objects would
 * cost more than asking for them.
 */
#ifndef TINETD_DIAG_H
#define TINETD_DIAG_H

#include <linux/netlink.h>

#include "addon.h"

/* ---- diag_rows.c ---- */

/* Grown as needed; `items` is freed by free_rows. */
struct rows {
	size_t size;
	size_t count;
	size_t capacity;
	unsigned char *items;
	/* What was told is not all, or not of one moment: ask again. */
	bool inconsistent;
};

/* The next row, all zero, or NULL for want of memory or because there are too many. */
void *add_row(struct rows *rows);
void free_rows(struct rows *rows);

/* `length` elements of `type` at `offset` of each row. */
struct column {
	const char *name;
	napi_typedarray_type type;
	size_t offset;
	size_t length;
};

/* An object with `count`, `inconsistent` and a typed array per column. */
napi_value from_rows(napi_env env, const struct rows *rows, const struct column *columns, size_t column_count);

/* A cookie as the kernel splits it. */
uint64_t join_cookie(const __u32 *halves);
/* As SO_COOKIE is told: decimal text. */
bool to_cookie(napi_env env, napi_value value, __u32 *halves);

/* ---- diag.c ---- */

/* Takes one message of the answer; `into` is what ask_diag was given. Returns 0 or an errno. */
typedef int (*take_message)(const struct nlmsghdr *message, void *into);

/*
 * Sends the request and takes the whole answer, without ever waiting: the kernel writes it while we ask for it.
 * Returns 0 or an errno. `*inconsistent` is set when the kernel says that things changed while it looked.
 */
int ask_diag(int fd, struct nlmsghdr *request, take_message take, void *into, bool *inconsistent);

/* The attributes of a message whose fixed part has `size` bytes: `body` is called with each. */
struct attribute {
	unsigned short type;
	const void *data;
	size_t length;
};
typedef void (*take_attribute)(const struct attribute *attribute, void *into);
void each_attribute(const struct nlmsghdr *message, size_t size, take_attribute take, void *into);

/* ---- diag_inet.c ---- */

/* Takes a struct inet_diag_msg into a row of inet_rows. */
int take_inet(const struct nlmsghdr *message, void *into);
struct rows inet_rows(void);
napi_value from_inet_rows(napi_env env, const struct rows *rows);

#endif
