/*
 * What a relay does when one of its sides is ready, and how it ends:
 *
 *  - A side that has ended (FIN) is read no more; behind its last byte the other is shut down for writing, and goes on
 *    the other way for as long as it likes. When both have ended the relay has.
 *  - A side whose peer is gone altogether (a Unix socket tells that from a FIN) ends the relay as soon as all that it
 *    said has been delivered: nobody is left to hear the other.
 *  - A side that has failed (RST) takes the other with it: it is reset too, so that what is cut off does not look
 *    complete. What it said before is delivered as far as there is room. A Unix socket cannot be reset: it is closed.
 */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "relay.h"

/* The first failure is the cause of the others. */
static void fail(struct relay *relay, int side, int error)
{
	if (relay->error != 0)
		return;
	relay->failed = side;
	relay->error = error;
}

static void step(struct relay *relay, int from)
{
	struct way *way = &relay->ways[from];
	int error;
	enum flow flow = forward(relay->all, way, &error);

	if (way->moved)
		relay->active_at = uv_now(relay->sides[from].poll.loop);
	way->moved = false;
	way->blocked = flow == flow_blocked;
	switch (flow) {
	case flow_waiting:
	case flow_blocked:
		break;
	case flow_ended:
		/* It can fail only if the receiver has gone, which is told by itself. */
		shutdown(way->to, SHUT_WR);
		way->passed = true;
		break;
	case flow_from_failed:
		fail(relay, from, error);
		break;
	case flow_to_failed:
		fail(relay, !from, error);
		break;
	case flow_no_memory:
		fail(relay, BOTH_SIDES, error);
		break;
	}
}

/* Why there was an alarm, where no read or write has met the cause. */
static void look_around(struct relay *relay, int side)
{
	struct pollfd poll_one = { .fd = relay->sides[side].fd };
	int error = 0;
	socklen_t length = sizeof(error);

	relay->sides[side].heeded = true;
	while (poll(&poll_one, 1, 0) < 0 && errno == EINTR)
		;
	if (poll_one.revents & POLLHUP)
		relay->sides[side].gone = true;
	if ((poll_one.revents & POLLERR) == 0)
		return;
	getsockopt(poll_one.fd, SOL_SOCKET, SO_ERROR, &error, &length);
	if (error != 0)
		fail(relay, side, error);
	else
		recv(poll_one.fd, NULL, 0, MSG_ERRQUEUE | MSG_DONTWAIT); /* a message about an error; of no interest */
}

static void close_side(struct relay *relay, int side, bool reset)
{
	int fd = relay->sides[side].fd;

	if (reset)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 }, sizeof(struct linger));
	close(fd);
}

/* All that has come from a side that has failed, but not the end of file, which would say that all is well. */
static void deliver_last_words(struct relay *relay, int from)
{
	struct way *way = &relay->ways[from];
	enum flow flow = way->blocked || way->ended ? flow_blocked : flow_waiting;
	int error;

	while (flow == flow_waiting) {
		way->moved = false;
		flow = forward(relay->all, way, &error);
		if (!way->moved)
			break;
	}
}

void abandon(struct relay *relay)
{
	bool owed[2] = { undelivered(&relay->ways[1]) > 0, undelivered(&relay->ways[0]) > 0 };

	close_relay(relay);
	for (int i = 0; i < 2; i++)
		close_side(relay, i, owed[i]);
}

static const char *reason(const struct relay *relay)
{
	if (relay->error == 0)
		return "end";
	if (relay->failed == BOTH_SIDES || (relay->error != ECONNRESET && relay->error != EPIPE))
		return "error";
	return relay->failed == 0 ? "reset-a" : "reset-b";
}

/* Calls back with what the relay has come to. It is closed. */
static void tell(struct relays *all, const struct relay *relay, napi_value self, napi_value callback)
{
	napi_env env = all->env;
	napi_value result = new_object(env), error;
	char code[32] = "";

	set_text(env, result, "reason", reason(relay));
	uv_err_name_r(-relay->error, code, sizeof(code));
	set(env, result, "code", relay->error == 0 ? from_null(env) : from_text(env, code));
	set_double(env, result, "aToB", (double)relay->ways[0].bytes);
	set_double(env, result, "bToA", (double)relay->ways[1].bytes);
	if (napi_make_callback(env, all->context, self, callback, 1, &result, NULL) == napi_pending_exception &&
	    napi_get_and_clear_last_exception(env, &error) == napi_ok)
		napi_fatal_exception(env, error);
}

static void end(struct relay *relay)
{
	struct relays *all = relay->all;
	napi_env env = all->env;
	napi_handle_scope scope;
	napi_value self, callback;

	if (napi_open_handle_scope(env, &scope) != napi_ok)
		return;
	napi_get_reference_value(env, relay->self, &self);
	napi_get_reference_value(env, relay->on_end, &callback);
	if (relay->error != 0 && relay->failed != BOTH_SIDES)
		deliver_last_words(relay, relay->failed);
	close_relay(relay);
	for (int i = 0; i < 2; i++)
		close_side(relay, i, relay->error != 0 && i != relay->failed);
	tell(all, relay, self, callback);
	napi_close_handle_scope(env, scope);
}

static bool is_over(const struct relay *relay)
{
	const struct way *ways = relay->ways;

	return relay->error != 0 || (ways[0].passed && ways[1].passed) || (ways[0].passed && relay->sides[0].gone) ||
	       (ways[1].passed && relay->sides[1].gone);
}

void run_relay(struct side *side, int events)
{
	struct relay *relay = side->relay;
	int index = side == &relay->sides[0] ? 0 : 1;
	struct way *out = &relay->ways[index], *in = &relay->ways[!index];

	if ((events & (UV_READABLE | ALARM)) && !out->blocked && !out->ended)
		step(relay, index);
	if ((events & (UV_WRITABLE | ALARM)) && in->blocked && relay->error == 0)
		step(relay, !index);
	if ((events & ALARM) && relay->error == 0)
		look_around(relay, index);
	if (is_over(relay))
		end(relay);
	else
		watch_sides(relay);
}
