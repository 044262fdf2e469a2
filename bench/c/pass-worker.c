/*
 * The C worker of the pass benchmark: receives connections on the channel, and gives each the answer. Static, as the
 * handler of stdio is, and for the same reason. It never says "done": the kernel tells tinetd.
 *
 * usage: pass-worker CLIENTS       ends after so many (0: never)
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "answer.h"

#define CHANNEL 3

/* Returns -1 at the end of the channel. */
static int receive_connection(void)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr aligned;
	} control;
	char text[4096];
	struct iovec data = { .iov_base = text, .iov_len = sizeof(text) };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *header = recvmsg(CHANNEL, &message, MSG_CMSG_CLOEXEC) > 0 ? CMSG_FIRSTHDR(&message) : NULL;
	int connection;

	if (header == NULL || header->cmsg_type != SCM_RIGHTS)
		return -1;
	memcpy(&connection, CMSG_DATA(header), sizeof(connection));
	return connection;
}

int main(int argc, char **argv)
{
	long clients = argc > 1 ? atol(argv[1]) : 0;

	for (long served = 0; clients == 0 || served < clients; served++) {
		int connection = receive_connection();

		if (connection < 0)
			return 0;
		if (write(connection, ANSWER, sizeof(ANSWER) - 1) != sizeof(ANSWER) - 1)
			return 1;
		close(connection);
	}
	return 0;
}
