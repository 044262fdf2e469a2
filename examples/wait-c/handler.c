/*
 * Says to each client who serves it. One process accepts client after client on the listening socket that tinetd has
 * put on descriptor 0, and tinetd looks away until it has ended.
 *
 * It takes no care of its own end: tinetd ends it by SIGTERM when nobody has been connected for `idle_timeout`. A program
 * that ends by itself is fine too, as long as it has accepted somebody; who comes then is served by the next one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void)
{
	signal(SIGPIPE, SIG_IGN); /* a client that goes early is no reason to end */
	for (long client = 1;; client++) {
		int connection = accept4(0, NULL, NULL, SOCK_CLOEXEC);

		if (connection < 0) {
			if (errno == EINTR || errno == ECONNABORTED)
				continue;
			perror("accept");
			return 1;
		}
		dprintf(connection, "process %d, client %ld\n", getpid(), client);
		close(connection);
	}
}
