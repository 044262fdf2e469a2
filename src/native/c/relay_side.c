/*
 * Readiness of the sides of a relay, on Node's own event loop (uv_poll). Of a side of which nothing is wanted for the
 * moment libuv is still asked for priority data: it never comes, but with the watch a failure does, and the news that
 * the peer has gone. Since these last, they are heeded once.
 *
 * libuv lets go of a handle some time after it was closed; a relay stays in memory until both are gone, and the
 * JavaScript object too.
 */
#include <stdlib.h>

#include "relay.h"

void release_relay(struct relay *relay)
{
	if (--relay->holders == 0)
		free(relay);
}

static void side_closed(uv_handle_t *handle)
{
	struct side *side = handle->data;
	struct relays *all = side->relay->all;

	release_relay(side->relay);
	if (--all->handles == 0)
		finish_relays(all);
}

/* With any status but 0 libuv has met EPOLLERR, and stopped. */
static void ready(uv_poll_t *poll, int status, int events)
{
	struct side *side = poll->data;

	if (status < 0)
		side->watched = 0;
	run_relay(side, status < 0 ? ALARM : events);
}

/* The bits of uv_poll that say what is wanted of a side, as the ways are now. */
static int wanted_events(const struct relay *relay, int side)
{
	const struct way *out = &relay->ways[side], *in = &relay->ways[!side];

	return (out->ended || out->blocked ? 0 : UV_READABLE) | (in->blocked ? UV_WRITABLE : 0);
}

static void watch_side(struct relay *relay, int index)
{
	struct side *side = &relay->sides[index];
	int events = wanted_events(relay, index);

	if (events != 0)
		side->heeded = false;
	else if (!side->heeded)
		events = ALARM;
	if (events == side->watched)
		return;
	side->watched = events;
	if (events != 0)
		uv_poll_start(&side->poll, events, ready);
	else
		uv_poll_stop(&side->poll);
}

void watch_sides(struct relay *relay)
{
	watch_side(relay, 0);
	watch_side(relay, 1);
}

static void close_handle(struct side *side)
{
	uv_close((uv_handle_t *)&side->poll, side_closed);
}

/* Returns 0 or an errno. */
static int open_side(struct relay *relay, int index)
{
	struct relays *all = relay->all;
	struct side *side = &relay->sides[index];
	uv_loop_t *loop;
	int error = napi_get_uv_event_loop(all->env, &loop) == napi_ok ? uv_poll_init(loop, &side->poll, side->fd) : UV_EINVAL;

	if (error != 0)
		return -error;
	side->poll.data = side;
	relay->holders++;
	all->handles++;
	/* At once, since libuv refuses a number that is watched already (EEXIST) only when it is being watched. */
	watch_side(relay, index);
	return 0;
}

int open_sides(struct relay *relay)
{
	struct relays *all = relay->all;
	int error = open_side(relay, 0);

	if (error != 0)
		return error;
	error = open_side(relay, 1);
	if (error != 0) {
		close_handle(&relay->sides[0]);
		return error;
	}
	relay->open = true;
	relay->active_at = uv_now(relay->sides[0].poll.loop);
	relay->next = all->first;
	if (relay->next != NULL)
		relay->next->previous = relay;
	all->first = relay;
	return 0;
}

void close_relay(struct relay *relay)
{
	struct relays *all = relay->all;

	relay->open = false;
	if (relay->previous != NULL)
		relay->previous->next = relay->next;
	else
		all->first = relay->next;
	if (relay->next != NULL)
		relay->next->previous = relay->previous;
	for (int i = 0; i < 2; i++) {
		discard(all, &relay->ways[i]);
		close_handle(&relay->sides[i]);
	}
	napi_delete_reference(all->env, relay->self);
	napi_delete_reference(all->env, relay->on_end);
	if (all->first == NULL)
		close_pipes(&all->pipes);
}
