/*
 * The worker of the listen benchmark: accepts by itself, and gives each client the answer. Static, as the handler of
 * stdio is, and for the same reason.
 *
 * usage: worker CLIENTS            on the socket that it is given by sd_listen_fds(3); ends after so many (0: never)
 *        worker CLIENTS PORT       on a socket of its own at 127.0.0.1
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "answer.h"
#include "loopback.h"

#define FIRST_FD 3

/* A socket that was meant for another process is as good as none. */
static int given_socket(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");

	if (pid != NULL && atoi(pid) == getpid() && fds != NULL && atoi(fds) == 1)
		return FIRST_FD;
	errno = EINVAL;
	return -1;
}

int main(int argc, char **argv)
{
	long clients = argc > 1 ? atol(argv[1]) : 0;
	int listener = argc > 2 ? listen_on_loopback(atoi(argv[2])) : given_socket();

	if (listener < 0) {
		perror("worker");
		return 1;
	}
	for (long served = 0; clients == 0 || served < clients; served++) {
		int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (connection < 0 || write(connection, ANSWER, sizeof(ANSWER) - 1) != sizeof(ANSWER) - 1) {
			perror("worker");
			return 1;
		}
		close(connection);
	}
	return 0;
}
