/*
 * The floor of the stdio benchmark: accept, vfork, exec, and nothing else. No limit, no log, no environment, no
 * exit status; ended children are left to the kernel. A server that does anything for its users is slower than this.
 *
 * usage: floor PORT PROGRAM        listens on 127.0.0.1 until it is killed
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loopback.h"

int main(int argc, char **argv)
{
	int listener = argc == 3 ? listen_on_loopback(atoi(argv[1])) : -1;

	if (listener < 0) {
		perror("floor");
		return 1;
	}
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (connection < 0) {
			if (errno == EINTR || errno == ECONNABORTED)
				continue;
			perror("accept");
			return 1;
		}
		if (vfork() == 0) {
			dup2(connection, 0);
			dup2(connection, 1);
			execv(argv[2], argv + 2);
			_exit(127);
		}
		close(connection);
	}
}
