/*
 * Readiness of a descriptor on Node's own event loop (uv_poll), as a small JavaScript class.
 *
 * A watch lives from `watch()` to `close()` and is not collected before: an event may come for it at any time, so the
 * class needs no finalizer. close() unwraps the object at once (later calls on it find nothing and do nothing) and
 * libuv frees the memory in its close callback. What is still open when the environment ends is closed by a hook,
 * which waits for libuv, since a worker's loop must be empty when it goes.
 */
#include <stdlib.h>
#include <uv.h>

#include "operations.h"

/* One per environment; freed by the last of its watches, or by the hook if there is none. */
struct watches {
	napi_env env;
	napi_async_context context;
	napi_ref class;
	struct watch *first;
	size_t open;
	/* Set while the environment ends: what tells Node that all is closed. */
	napi_async_cleanup_hook_handle ending;
};

struct watch {
	uv_poll_t poll;
	struct watches *all;
	struct watch *next, *previous;
	napi_ref self, callback;
	/* Asked for by the last start. */
	int events;
};

static void finish(struct watches *all)
{
	napi_remove_async_cleanup_hook(all->ending);
	free(all);
}

static void closed(uv_handle_t *handle)
{
	struct watch *watch = handle->data;
	struct watches *all = watch->all;

	free(watch);
	if (--all->open == 0 && all->ending != NULL)
		finish(all);
}

static void unlink_watch(struct watch *watch)
{
	if (watch->previous != NULL)
		watch->previous->next = watch->next;
	else
		watch->all->first = watch->next;
	if (watch->next != NULL)
		watch->next->previous = watch->previous;
}

static void close_watch(struct watch *watch)
{
	napi_env env = watch->all->env;

	unlink_watch(watch);
	napi_delete_reference(env, watch->self);
	napi_delete_reference(env, watch->callback);
	uv_close((uv_handle_t *)&watch->poll, closed);
}

static void environment_ends(napi_async_cleanup_hook_handle handle, void *data)
{
	struct watches *all = data;

	all->ending = handle;
	while (all->first != NULL)
		close_watch(all->first);
	napi_delete_reference(all->env, all->class);
	napi_async_destroy(all->env, all->context);
	if (all->open == 0)
		finish(all);
}

static void ready(uv_poll_t *poll, int status, int events)
{
	struct watch *watch = poll->data;
	struct watches *all = watch->all;
	napi_env env = all->env;
	napi_handle_scope scope;
	napi_value self, callback, arg[2], error;

	if (napi_open_handle_scope(env, &scope) != napi_ok)
		return;
	napi_get_reference_value(env, watch->self, &self);
	napi_get_reference_value(env, watch->callback, &callback);
	arg[0] = from_int(env, events);
	arg[1] = from_int(env, status);
	/* Runs nextTicks and microtasks before it returns. The watch may have been closed when it does. */
	if (napi_make_callback(env, all->context, self, callback, 2, arg, NULL) == napi_pending_exception &&
	    napi_get_and_clear_last_exception(env, &error) == napi_ok)
		napi_fatal_exception(env, error);
	napi_close_handle_scope(env, scope);
}

/* The watch behind `this`, or NULL after close(). */
static struct watch *this_watch(napi_env env, napi_callback_info info, napi_value *argument, napi_value *self)
{
	size_t count = argument ? 1 : 0;
	void *watch = NULL;

	if (napi_get_cb_info(env, info, &count, argument, self, NULL) != napi_ok ||
	    napi_unwrap(env, *self, &watch) != napi_ok)
		return NULL;
	return watch;
}

static napi_value watch_start(napi_env env, napi_callback_info info)
{
	napi_value argument, self;
	struct watch *watch = this_watch(env, info, &argument, &self);
	int events, error;

	if (watch == NULL || !to_int(env, argument, "events", &events))
		return NULL;
	/* libuv would take the descriptor out of its epoll set and put it back: two system calls for nothing. */
	if (uv_is_active((uv_handle_t *)&watch->poll) && watch->events == events)
		return NULL;
	watch->events = events;
	error = uv_poll_start(&watch->poll, events, ready);
	return error ? throw_system_error(env, -error, "epoll_ctl", NULL) : NULL;
}

static napi_value watch_stop(napi_env env, napi_callback_info info)
{
	napi_value self;
	struct watch *watch = this_watch(env, info, NULL, &self);

	if (watch != NULL)
		uv_poll_stop(&watch->poll);
	return NULL;
}

static napi_value watch_close(napi_env env, napi_callback_info info)
{
	napi_value self;
	struct watch *watch = this_watch(env, info, NULL, &self);

	if (watch == NULL)
		return NULL;
	napi_remove_wrap(env, self, NULL);
	close_watch(watch);
	return NULL;
}

static napi_value watch_ref(napi_env env, napi_callback_info info)
{
	napi_value self;
	struct watch *watch = this_watch(env, info, NULL, &self);

	if (watch != NULL)
		uv_ref((uv_handle_t *)&watch->poll);
	return NULL;
}

static napi_value watch_unref(napi_env env, napi_callback_info info)
{
	napi_value self;
	struct watch *watch = this_watch(env, info, NULL, &self);

	if (watch != NULL)
		uv_unref((uv_handle_t *)&watch->poll);
	return NULL;
}

/* new Watch(fd, callback): reached through op_watch only. */
static napi_value construct(napi_env env, napi_callback_info info)
{
	size_t count = 2;
	napi_value arg[2], self;
	uv_loop_t *loop;
	struct watch *watch;
	void *all;
	int fd, error;

	if (napi_get_cb_info(env, info, &count, arg, &self, &all) != napi_ok || !to_int(env, arg[0], "fd", &fd))
		return NULL;
	if (!is_type(env, arg[1], napi_function)) {
		throw_type_error(env, "callback", "a function");
		return NULL;
	}
	watch = calloc(1, sizeof(*watch));
	if (watch == NULL || napi_get_uv_event_loop(env, &loop) != napi_ok) {
		free(watch);
		return throw_errno(env, "watch");
	}
	error = uv_poll_init(loop, &watch->poll, fd);
	if (error) {
		free(watch);
		return throw_system_error(env, -error, "watch", NULL);
	}
	watch->all = all;
	watch->poll.data = watch;
	watch->next = watch->all->first;
	if (watch->next != NULL)
		watch->next->previous = watch;
	watch->all->first = watch;
	watch->all->open++;
	napi_create_reference(env, self, 1, &watch->self);
	napi_create_reference(env, arg[1], 1, &watch->callback);
	napi_wrap(env, self, watch, NULL, NULL, NULL);
	return self;
}

napi_value op_watch(napi_env env, napi_callback_info info)
{
	const struct environment *environment = get_environment(env);
	napi_value arg[2], class, result = NULL;

	if (environment == NULL || !get_arguments(env, info, 2, arg) ||
	    napi_get_reference_value(env, environment->watches->class, &class) != napi_ok)
		return NULL;
	napi_new_instance(env, class, 2, arg, &result);
	return result;
}

struct watches *new_watches(napi_env env)
{
	const napi_property_descriptor methods[] = {
		{ "start", NULL, watch_start, NULL, NULL, NULL, napi_default_method, NULL },
		{ "stop", NULL, watch_stop, NULL, NULL, NULL, napi_default_method, NULL },
		{ "close", NULL, watch_close, NULL, NULL, NULL, napi_default_method, NULL },
		{ "ref", NULL, watch_ref, NULL, NULL, NULL, napi_default_method, NULL },
		{ "unref", NULL, watch_unref, NULL, NULL, NULL, napi_default_method, NULL },
	};
	struct watches *all = calloc(1, sizeof(*all));
	napi_value class;

	if (all == NULL)
		return NULL;
	all->env = env;
	if (napi_define_class(env, "Watch", NAPI_AUTO_LENGTH, construct, all, ARRAY_LENGTH(methods), methods, &class) ==
		    napi_ok &&
	    napi_create_reference(env, class, 1, &all->class) == napi_ok &&
	    napi_async_init(env, NULL, from_text(env, "tinetd.watch"), &all->context) == napi_ok &&
	    napi_add_async_cleanup_hook(env, environment_ends, all, NULL) == napi_ok)
		return all;
	free(all);
	return NULL;
}
