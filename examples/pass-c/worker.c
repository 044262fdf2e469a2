/*
 * Gives every client a number, one after the other. The connections come from tinetd: descriptor 3 is a Unix
 * SOCK_SEQPACKET socket, and each message on it is one JSON object about one connection, with the connection attached.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Waits for the next connection. text becomes what tinetd says of it.
 * Returns the connection, or -1 when tinetd has closed the channel: there will be no more.
 */
static int receive_connection(int channel, char *text, size_t size)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr aligned;
	} control;
	struct iovec data = { .iov_base = text, .iov_len = size - 1 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	struct cmsghdr *header;
	ssize_t length;
	int connection;

	do
		length = recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
	while (length < 0 && errno == EINTR);
	header = length > 0 ? CMSG_FIRSTHDR(&message) : NULL;
	if (header == NULL || header->cmsg_type != SCM_RIGHTS)
		return -1;
	text[length] = '\0';
	memcpy(&connection, CMSG_DATA(header), sizeof(connection));
	return connection;
}

/* The number behind "id". Quotes within the texts of an object are escaped, so only the key itself looks like this. */
static unsigned long long id_of(const char *text)
{
	const char *key = strstr(text, "\"id\":");

	return key == NULL ? 0 : strtoull(key + 5, NULL, 10);
}

int main(void)
{
	const char *name = getenv("TINETD_CHANNEL");
	int channel = name == NULL ? -1 : atoi(name);
	unsigned long ticket = 0;
	char text[4096 + 1];
	int connection;

	if (channel < 0) {
		fprintf(stderr, "worker: no channel: start this with tinetd, handoff = \"pass\"\n");
		return 1;
	}
	/* Writing to a client that has gone is its loss, not ours. */
	signal(SIGPIPE, SIG_IGN);
	/* It comes together with the end of the channel, which tells the same. */
	signal(SIGTERM, SIG_IGN);
	while ((connection = receive_connection(channel, text, sizeof(text))) >= 0) {
		dprintf(connection, "your number is %lu\n", ++ticket);
		close(connection);
		/* Without this word tinetd learns it from the kernel, a little later. */
		snprintf(text, sizeof(text), "{\"done\":%llu}", id_of(text));
		send(channel, text, strlen(text), MSG_NOSIGNAL);
	}
	return 0;
}
