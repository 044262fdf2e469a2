/*
 * Relays as JavaScript sees them: a small class whose object lives as long as the relay does, and after that as long as
 * somebody wants to know what it has relayed. How the parts fit together is in relay.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "operations.h"
#include "relay.h"

static void finalize_relay(napi_env env, void *data, void *hint)
{
	(void)env;
	(void)hint;
	release_relay(data);
}

/*
 * Non-blocking, for splice has no flag for that of its own everywhere; and what has been sent in one piece goes on at
 * once, since whoever sent it has waited for company already, if it was to (Nagle).
 */
static bool prepare_side(napi_env env, int fd)
{
	int type, flags = fcntl(fd, F_GETFL);
	socklen_t length = sizeof(type);

	if (flags < 0 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0) {
		throw_errno(env, "relay");
		return false;
	}
	if (type != SOCK_STREAM) {
		throw_system_error(env, EPROTOTYPE, "relay", NULL);
		return false;
	}
	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	/* EOPNOTSUPP: a Unix socket has nothing of the kind. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	return true;
}

static bool begin(napi_env env, const napi_value given[static 4], struct relay *relay)
{
	uint64_t idle;
	int fd[2], error;

	if (!to_int(env, given[0], "a", &fd[0]) || !to_int(env, given[1], "b", &fd[1]))
		return false;
	if (!is_type(env, given[2], napi_function))
		return throw_type_error(env, "onEnd", "a function");
	if (!get_relay_options(env, given[3], relay, &idle) || !prepare_side(env, fd[0]) || !prepare_side(env, fd[1]))
		return false;
	for (int i = 0; i < 2; i++) {
		relay->sides[i] = (struct side){ .relay = relay, .fd = fd[i] };
		relay->ways[i].from = fd[i];
		relay->ways[i].to = fd[!i];
	}
	error = open_sides(relay);
	if (error != 0) {
		throw_system_error(env, error, "relay", NULL);
		return false;
	}
	relay->active_at -= idle;
	return true;
}

/* new Relay(a, b, onEnd, options): reached through op_relay only. */
static napi_value construct(napi_env env, napi_callback_info info)
{
	size_t count = 4;
	napi_value arg[4], self;
	struct relay *relay;
	void *all;

	if (napi_get_cb_info(env, info, &count, arg, &self, &all) != napi_ok)
		return NULL;
	relay = calloc(1, sizeof(*relay));
	if (relay == NULL)
		return throw_errno(env, "relay");
	relay->all = all;
	relay->holders = 1;
	if (!begin(env, arg, relay)) {
		free(relay->ways[0].kept);
		free(relay->ways[1].kept);
		release_relay(relay);
		return NULL;
	}
	napi_create_reference(env, self, 1, &relay->self);
	napi_create_reference(env, arg[2], 1, &relay->on_end);
	napi_wrap(env, self, relay, finalize_relay, NULL, NULL);
	return self;
}

/* The relay behind `this`. */
static struct relay *this_relay(napi_env env, napi_callback_info info)
{
	napi_value self;
	void *relay = NULL;

	if (napi_get_cb_info(env, info, NULL, NULL, &self, NULL) != napi_ok || napi_unwrap(env, self, &relay) != napi_ok)
		throw_type_error(env, "this", "a Relay");
	return relay;
}

static napi_value relay_bytes(napi_env env, napi_callback_info info)
{
	const struct relay *relay = this_relay(env, info);
	napi_value result;

	if (relay == NULL)
		return NULL;
	result = new_object(env);
	for (int i = 0; i < 2; i++)
		set_double(env, result, way_names[i], (double)relay->ways[i].bytes);
	return result;
}

static napi_value relay_idle_ms(napi_env env, napi_callback_info info)
{
	const struct relay *relay = this_relay(env, info);

	return relay ? from_double(env, idle_ms(relay)) : NULL;
}

static napi_value relay_close(napi_env env, napi_callback_info info)
{
	struct relay *relay = this_relay(env, info);

	if (relay != NULL && relay->open)
		abandon(relay);
	return NULL;
}

static napi_value relay_get_state(napi_env env, napi_callback_info info)
{
	struct relay *relay = this_relay(env, info);

	if (relay == NULL)
		return NULL;
	return relay->open ? get_state(env, relay) : from_null(env);
}

/* Nothing is lost if the state cannot be had: then it goes on. */
static napi_value relay_detach(napi_env env, napi_callback_info info)
{
	struct relay *relay = this_relay(env, info);
	napi_value state;

	if (relay == NULL)
		return NULL;
	if (!relay->open)
		return from_null(env);
	state = get_state(env, relay);
	if (state != NULL)
		close_relay(relay);
	return state;
}

napi_value op_relay(napi_env env, napi_callback_info info)
{
	const struct environment *environment = get_environment(env);
	napi_value arg[4], class, result = NULL;

	if (environment == NULL || !get_arguments(env, info, 4, arg) ||
	    napi_get_reference_value(env, environment->relays->class, &class) != napi_ok)
		return NULL;
	napi_new_instance(env, class, 4, arg, &result);
	return result;
}

void finish_relays(struct relays *all)
{
	if (all->ending == NULL)
		return;
	napi_remove_async_cleanup_hook(all->ending);
	free(all);
}

static void environment_ends(napi_async_cleanup_hook_handle handle, void *data)
{
	struct relays *all = data;

	all->ending = handle;
	while (all->first != NULL)
		abandon(all->first);
	napi_delete_reference(all->env, all->class);
	napi_async_destroy(all->env, all->context);
	if (all->handles == 0)
		finish_relays(all);
}

struct relays *new_relays(napi_env env)
{
	const napi_property_descriptor methods[] = {
		{ "bytes", NULL, relay_bytes, NULL, NULL, NULL, napi_default_method, NULL },
		{ "idleMs", NULL, relay_idle_ms, NULL, NULL, NULL, napi_default_method, NULL },
		{ "close", NULL, relay_close, NULL, NULL, NULL, napi_default_method, NULL },
		{ "state", NULL, relay_get_state, NULL, NULL, NULL, napi_default_method, NULL },
		{ "detach", NULL, relay_detach, NULL, NULL, NULL, napi_default_method, NULL },
	};
	struct relays *all = calloc(1, sizeof(*all));
	napi_value class;

	if (all == NULL)
		return NULL;
	all->env = env;
	if (napi_define_class(env, "Relay", NAPI_AUTO_LENGTH, construct, all, ARRAY_LENGTH(methods), methods, &class) ==
		    napi_ok &&
	    napi_create_reference(env, class, 1, &all->class) == napi_ok &&
	    napi_async_init(env, NULL, from_text(env, "tinetd.relay"), &all->context) == napi_ok &&
	    napi_add_async_cleanup_hook(env, environment_ends, all, NULL) == napi_ok)
		return all;
	free(all);
	return NULL;
}
