/*
 * A relay: two connected stream sockets, each of which gets what the other says. It is made of two ways, from one side
 * to the other and back, that know nothing of each other but share their fate.
 *
 *     relay.c        what JavaScript sees: begin, close, detach, its state, what has been relayed
 *     relay_state.c  the state of a relay, and how one is resumed with it
 *     relay_run.c    what a relay does when one of its sides is ready, and how it ends
 *     relay_flow.c   one way: take bytes from here, give them there, stop taking while there is no room
 *     relay_pipe.c   pipes through which a way with much to carry moves pages instead of copying bytes
 *     relay_side.c   readiness of the sides, and how long a relay stays in memory
 *
 * An idle relay holds no buffer: what is taken is given at once out of one that all share, and only what the receiver
 * has no room for is kept.
 */
#ifndef TINETD_RELAY_H
#define TINETD_RELAY_H

#include <uv.h>

#include "addon.h"

/* What is taken at once by copying, and the most that a way keeps in memory. */
#define CHUNK (64 * 1024)
/* What is taken at once through a pipe, and the most that a way keeps in one. */
#define PIPE_CAPACITY (256 * 1024)

struct pipe {
	int input, output;
	/* Bytes inside. */
	size_t filled;
	struct pipe *next;
};

struct pipes {
	struct pipe *idle;
	size_t idle_count, open_count;
};

struct way {
	int from, to;
	/* Taken so far. */
	uint64_t bytes;
	/* Taken and not yet given: in memory, which is the way's own if `kept` is set, or in a pipe. */
	const uint8_t *left;
	size_t left_length;
	uint8_t *kept;
	struct pipe *pipe;
	/* Much came the last time: worth a pipe. */
	bool bulk;
	/* Some byte was taken or given. Set by forward(), reset by its caller. */
	bool moved;
	/* The receiver has no room: nothing is taken until it has some. */
	bool blocked;
	/* The sender has ended, and that has been passed on behind its last byte. */
	bool ended, passed;
};

struct side {
	uv_poll_t poll;
	struct relay *relay;
	int fd;
	/* What uv_poll has been asked for. */
	int watched;
	/* An alarm has been heeded, and nothing has been wanted since. */
	bool heeded;
	/* Whoever is at its other end can neither send nor receive any more. */
	bool gone;
};

struct relay {
	struct relays *all;
	struct relay *next, *previous;
	napi_ref self, on_end;
	struct side sides[2];
	/* ways[n] leads from sides[n] to the other. */
	struct way ways[2];
	/* Loop time (uv_now) of the last byte. */
	uint64_t active_at;
	/* What went wrong: an errno, and with which side, or BOTH_SIDES. */
	int error;
	int failed;
	bool open;
	/* The handles of the sides, and the JavaScript object. */
	unsigned int holders;
};

#define BOTH_SIDES 2

/* One per environment (a main thread or a worker), for as long as that lasts. */
struct relays {
	napi_env env;
	napi_async_context context;
	napi_ref class;
	struct relay *first;
	/* Those that libuv has not let go of. */
	size_t handles;
	/* Set while the environment ends: what tells Node that all is closed. */
	napi_async_cleanup_hook_handle ending;
	struct pipes pipes;
	uint8_t chunk[CHUNK];
};

/* ---- relay.c ---- */

/* To be called when there are no handles any more: frees `all` if the environment ends. */
void finish_relays(struct relays *all);

/* ---- relay_state.c ---- */

/* Of the ways, in their order. */
extern const char *const way_names[2];

/* RelayOptions of sys.ts into the ways, all zero before; `*idle` is how long nothing has come. False: a TypeError. */
bool get_relay_options(napi_env env, napi_value options, struct relay *relay, uint64_t *idle);
double idle_ms(const struct relay *relay);
/* A RelayState with both descriptors: all that there is to know of an open relay. NULL, with an error: no memory. */
napi_value get_state(napi_env env, struct relay *relay);

/* ---- relay_pipe.c ---- */

/* An empty pipe, or NULL if there are enough or none can be had. */
struct pipe *borrow_pipe(struct pipes *pipes);
/* Of one that is not empty any more the bytes are lost. */
void return_pipe(struct pipes *pipes, struct pipe *pipe);
void close_pipes(struct pipes *pipes);

/* ---- relay_flow.c ---- */

enum flow {
	flow_waiting, /* for more to come, or for its next turn */
	flow_blocked, /* until the receiver has room */
	flow_ended,   /* the sender has, and all has been given */
	flow_from_failed,
	flow_to_failed,
	flow_no_memory,
};

/* Moves as much as can be moved now, within bounds. `*error` is set with the three failures. */
enum flow forward(struct relays *all, struct way *way, int *error);
/* How much has been taken and not given. */
size_t undelivered(const struct way *way);
/* Sees to it that this is in memory, to be looked at, and none of it in a pipe. False, and nothing done: no memory. */
bool unpipe(struct relays *all, struct way *way);
/* Forgets it. */
void discard(struct relays *all, struct way *way);

/* ---- relay_side.c ---- */

/* An error of the socket, or its peer has gone, or (in vain) urgent data. */
#define ALARM UV_PRIORITIZED

/* Begins to watch both sides. Returns 0 or an errno. */
int open_sides(struct relay *relay);
/* Asks for what is wanted of each side now. */
void watch_sides(struct relay *relay);
/* Lets go of all that belongs to an open relay but its descriptors. */
void close_relay(struct relay *relay);
/* By one of its holders. The last one frees it. */
void release_relay(struct relay *relay);

/* ---- relay_run.c ---- */

/* `events` (bits of uv_poll) hold for a side. May end the relay, which calls JavaScript. */
void run_relay(struct side *side, int events);
/* Closes both sides at once; a side to which bytes are still owed is reset. */
void abandon(struct relay *relay);

#endif
