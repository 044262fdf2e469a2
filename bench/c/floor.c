/*
 * The floor of the stdio benchmark: accept, vfork, exec, and nothing else. No limit, no log, no environment, no
 * exit status; ended children are left to the kernel. A server that does anything for its users is slower than this.
 *
 * usage: floor PORT PROGRAM        listens on 127.0.0.1 until it is killed
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int listen_on_loopback(int port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(listener, 4096) != 0)
		return -1;
	return listener;
}

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
