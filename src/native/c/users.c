/* Users and groups through NSS: files, LDAP, whatever the system is set up for. Any of these may block. */
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "operations.h"

/* An entry of one mebibyte is a group of some ten thousands. More is not a lookup, it is an attack on our memory. */
#define FIRST_SIZE 1024
#define MOST_SIZE (1024 * 1024)

/* A name or a number, whichever was given. */
struct key {
	char *name; /* NULL: by number; the caller frees it */
	uint32_t number;
};

static bool to_key(napi_env env, napi_value value, const char *what, struct key *key)
{
	*key = (struct key){ 0 };
	return is_type(env, value, napi_string) ? to_new_text(env, value, what, &key->name)
						: to_uint32(env, value, what, &key->number);
}

/* "There is none" has several spellings, by NSS module (getpwnam(3)). */
static bool means_absent(int error)
{
	return error == 0 || error == ENOENT || error == ESRCH;
}

union entry {
	struct passwd user;
	struct group group;
};

static int find_user(const struct key *key, union entry *entry, char *buffer, size_t size, bool *found)
{
	struct passwd *user = NULL;
	int error = key->name ? getpwnam_r(key->name, &entry->user, buffer, size, &user)
			      : getpwuid_r(key->number, &entry->user, buffer, size, &user);

	*found = user != NULL;
	return error;
}

static int find_group(const struct key *key, union entry *entry, char *buffer, size_t size, bool *found)
{
	struct group *group = NULL;
	int error = key->name ? getgrnam_r(key->name, &entry->group, buffer, size, &group)
			      : getgrgid_r(key->number, &entry->group, buffer, size, &group);

	*found = group != NULL;
	return error;
}

static napi_value from_user(napi_env env, const union entry *entry)
{
	napi_value result = new_object(env);

	set_text(env, result, "name", entry->user.pw_name);
	set_double(env, result, "uid", entry->user.pw_uid);
	set_double(env, result, "gid", entry->user.pw_gid);
	set_text(env, result, "home", entry->user.pw_dir);
	set_text(env, result, "shell", entry->user.pw_shell);
	return result;
}

static napi_value from_group(napi_env env, const union entry *entry)
{
	napi_value result = new_object(env);

	set_text(env, result, "name", entry->group.gr_name);
	set_double(env, result, "gid", entry->group.gr_gid);
	return result;
}

/* The two databases differ in the calls that read them and in what an entry holds. */
static napi_value lookup(napi_env env, napi_callback_info info, const char *what,
			 int (*find)(const struct key *, union entry *, char *, size_t, bool *),
			 napi_value (*convert)(napi_env, const union entry *))
{
	napi_value arg[1], result;
	union entry entry;
	struct key key;
	char *buffer = NULL;
	bool found = false;
	int error = ERANGE;

	if (!get_arguments(env, info, 1, arg) || !to_key(env, arg[0], what, &key))
		return NULL;
	for (size_t size = FIRST_SIZE; error == ERANGE && size <= MOST_SIZE; size *= 2) {
		free(buffer);
		buffer = malloc(size);
		error = buffer ? find(&key, &entry, buffer, size, &found) : ENOMEM;
	}
	if (found)
		result = convert(env, &entry);
	else if (means_absent(error))
		result = from_null(env);
	else
		result = throw_system_error(env, error, what, key.name);
	free(buffer);
	free(key.name);
	return result;
}

napi_value op_lookup_user(napi_env env, napi_callback_info info)
{
	return lookup(env, info, "getpwnam", find_user, from_user);
}

napi_value op_lookup_group(napi_env env, napi_callback_info info)
{
	return lookup(env, info, "getgrnam", find_group, from_group);
}

napi_value op_group_list(napi_env env, napi_callback_info info)
{
	napi_value arg[2], result = NULL;
	uint32_t gid;
	gid_t *groups = NULL;
	char *user = NULL;
	int count = 0, room = 32;

	if (!get_arguments(env, info, 2, arg) || !to_uint32(env, arg[1], "gid", &gid) ||
	    !to_new_text(env, arg[0], "user", &user))
		return NULL;
	do {
		/* When there is no room, getgrouplist says how much it needs; never less than before. */
		room = count > room ? count : room * 2;
		count = room;
		free(groups);
		groups = calloc((size_t)room, sizeof(gid_t));
	} while (groups != NULL && getgrouplist(user, gid, groups, &count) < 0 && room <= NGROUPS_MAX);

	if (groups == NULL) {
		throw_system_error(env, ENOMEM, "getgrouplist", user);
	} else {
		napi_create_array_with_length(env, (size_t)count, &result);
		for (int i = 0; i < count; i++)
			napi_set_element(env, result, (uint32_t)i, from_double(env, groups[i]));
	}
	free(groups);
	free(user);
	return result;
}
