/*
 * Serves several listening sockets at once, by sd_listen_fds(3): they are the descriptors from 3 on, LISTEN_FDS says how
 * many, LISTEN_FDNAMES what the configuration calls them, and LISTEN_PID for whom all this is meant.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST 3
#define MOST 16

/* Returns how many sockets there are for this process. */
static int listen_fds(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	int count = fds == NULL ? 0 : atoi(fds);

	return pid == NULL || atoi(pid) != getpid() || count < 0 || count > MOST ? 0 : count;
}

int main(void)
{
	struct pollfd listeners[MOST];
	const char *names[MOST];
	char *rest = getenv("LISTEN_FDNAMES");
	int count = listen_fds();

	if (count == 0) {
		fprintf(stderr, "start me through tinetd or a systemd socket\n");
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < count; i++) {
		const char *name = strsep(&rest, ":");

		names[i] = name == NULL ? "?" : name;
		listeners[i] = (struct pollfd){ .fd = FIRST + i, .events = POLLIN };
		/* Between poll and accept a client may go, or another worker may take it: accept must not wait then. */
		fcntl(FIRST + i, F_SETFL, O_NONBLOCK);
	}
	while (poll(listeners, (nfds_t)count, -1) > 0) {
		for (int i = 0; i < count; i++) {
			if (listeners[i].revents == 0)
				continue;
			int connection = accept4(listeners[i].fd, NULL, NULL, SOCK_CLOEXEC);

			if (connection < 0)
				continue;
			dprintf(connection, "the %s door, process %d\n", names[i], getpid());
			close(connection);
		}
	}
	perror("poll");
	return 1;
}
