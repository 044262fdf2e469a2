/*
 * One way of a relay. Few bytes are copied through the chunk that all ways share, which is the quickest for a message;
 * many go through a pipe, which for bulk costs about half the processor time. Nothing is taken while something is still
 * to be given, so that the sender is slowed down to the receiver's pace by its own socket.
 *
 * Readiness is level-triggered: whatever is left for the next turn, or comes between two calls, is reported again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "relay.h"

/* As much as this at once, and the next goes through a pipe. */
#define BULK (32 * 1024)
/* Per turn, so that a busy relay does not keep the others and the rest of the daemon waiting. */
#define BUDGET (256 * 1024)

size_t undelivered(const struct way *way)
{
	return way->left_length + (way->pipe ? way->pipe->filled : 0);
}

void discard(struct relays *all, struct way *way)
{
	if (way->pipe != NULL)
		return_pipe(&all->pipes, way->pipe);
	free(way->kept);
	way->pipe = NULL;
	way->kept = NULL;
	way->left = NULL;
	way->left_length = 0;
}

bool unpipe(struct relays *all, struct way *way)
{
	struct pipe *pipe = way->pipe;

	if (pipe == NULL)
		return true;
	way->kept = malloc(pipe->filled);
	if (way->kept == NULL)
		return false;
	way->left = way->kept;
	while (pipe->filled > 0) {
		ssize_t count = read(pipe->output, way->kept + way->left_length, pipe->filled);

		if (count <= 0)
			break; /* not with what a pipe of ours says it holds */
		way->left_length += (size_t)count;
		pipe->filled -= (size_t)count;
	}
	return_pipe(&all->pipes, pipe);
	way->pipe = NULL;
	return true;
}

/* Gives what can be given now: the bytes given, or -1 with errno. */
static ssize_t give_some(struct way *way)
{
	if (way->pipe != NULL)
		return splice(way->pipe->output, NULL, way->to, NULL, way->pipe->filled, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
	return send(way->to, way->left, way->left_length, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* True once nothing is left to give; false with errno EAGAIN if the receiver has no room for it. */
static bool give(struct relays *all, struct way *way)
{
	ssize_t count;

	if (undelivered(way) == 0)
		return true;
	count = give_some(way);
	if (count < 0)
		return false;
	way->moved = true;
	if (way->pipe != NULL) {
		way->pipe->filled -= (size_t)count;
	} else {
		way->left += count;
		way->left_length -= (size_t)count;
	}
	if (undelivered(way) == 0) {
		discard(all, way);
		return true;
	}
	errno = EAGAIN;
	return false;
}

/*
 * Takes what there is: the bytes taken, 0 at the sender's end, or -1 with errno. Where splice finds nothing recv is
 * asked: it steps over a byte of urgent data, at which splice stops for ever.
 */
static ssize_t take(struct relays *all, struct way *way)
{
	ssize_t count;

	way->pipe = way->bulk ? borrow_pipe(&all->pipes) : NULL;
	if (way->pipe != NULL) {
		count = splice(way->from, NULL, way->pipe->input, NULL, PIPE_CAPACITY, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
		if (count > 0) {
			way->pipe->filled = (size_t)count;
			return count;
		}
		return_pipe(&all->pipes, way->pipe);
		way->pipe = NULL;
		/* EINVAL: a socket that cannot. Any other error must be told now, for a socket tells it only once. */
		if (count == 0 || (errno != EAGAIN && errno != EINVAL))
			return count;
	}
	count = recv(way->from, all->chunk, CHUNK, MSG_DONTWAIT);
	if (count > 0) {
		way->left = all->chunk;
		way->left_length = (size_t)count;
	}
	return count;
}

/* Moves what is left in the shared chunk into memory of its own. */
static bool keep(struct way *way)
{
	if (way->left_length == 0 || way->kept != NULL)
		return true;
	way->kept = malloc(way->left_length);
	if (way->kept == NULL) {
		way->left_length = 0;
		return false;
	}
	memcpy(way->kept, way->left, way->left_length);
	way->left = way->kept;
	return true;
}

enum flow forward(struct relays *all, struct way *way, int *error)
{
	size_t moved = 0;
	ssize_t count;

	for (;;) {
		if (!give(all, way)) {
			*error = errno;
			if (!keep(way)) {
				*error = ENOMEM;
				return flow_no_memory;
			}
			return *error == EAGAIN || *error == EINTR ? flow_blocked : flow_to_failed;
		}
		if (way->ended)
			return flow_ended;
		/* Less than could have been is all there was: to ask again would mostly be in vain. */
		if (moved > 0 && (moved >= BUDGET || !way->bulk))
			return flow_waiting;
		count = take(all, way);
		if (count < 0) {
			*error = errno;
			return *error == EAGAIN || *error == EINTR ? flow_waiting : flow_from_failed;
		}
		way->ended = count == 0;
		way->bulk = count >= BULK;
		way->moved = true;
		way->bytes += (size_t)count;
		moved += (size_t)count;
	}
}
