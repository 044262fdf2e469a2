/*
 * Pipes for splice(2), by which pages go from socket to socket without being copied. A way has one only while there are
 * bytes in it; then the next may. They are two descriptors each, so there are not many: a way that gets none copies.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "relay.h"

#define MOST_OPEN 64
#define MOST_IDLE 8

static struct pipe *open_pipe(void)
{
	struct pipe *pipe = calloc(1, sizeof(*pipe));
	int ends[2];

	if (pipe == NULL || pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
		free(pipe);
		return NULL;
	}
	/* A user who has many already may not: then it holds less. */
	fcntl(ends[1], F_SETPIPE_SZ, PIPE_CAPACITY);
	pipe->output = ends[0];
	pipe->input = ends[1];
	return pipe;
}

struct pipe *borrow_pipe(struct pipes *pipes)
{
	struct pipe *pipe = pipes->idle;

	if (pipe != NULL) {
		pipes->idle = pipe->next;
		pipes->idle_count--;
		return pipe;
	}
	if (pipes->open_count == MOST_OPEN)
		return NULL;
	pipe = open_pipe();
	if (pipe != NULL)
		pipes->open_count++;
	return pipe;
}

static void close_pipe(struct pipes *pipes, struct pipe *pipe)
{
	close(pipe->input);
	close(pipe->output);
	free(pipe);
	pipes->open_count--;
}

void return_pipe(struct pipes *pipes, struct pipe *pipe)
{
	if (pipe->filled > 0 || pipes->idle_count == MOST_IDLE) {
		close_pipe(pipes, pipe);
		return;
	}
	pipe->next = pipes->idle;
	pipes->idle = pipe;
	pipes->idle_count++;
}

void close_pipes(struct pipes *pipes)
{
	while (pipes->idle != NULL)
		close_pipe(pipes, borrow_pipe(pipes));
}
