/*
 * Both ends of the proxy benchmark: a server that a process serves each connection of, and its client. The first byte
 * of a connection says what it is for.
 *
 * usage: stream serve PORT               at 127.0.0.1
 *        stream PORT ping COUNT SECONDS  one connection: time until each of COUNT messages has come back, or of fewer
 *        stream PORT pull SECONDS        one connection: what the server sends in that time
 *        stream PORT push SECONDS        one connection: what the server has received of what is sent in that time
 *        stream PORT open SECONDS        connections of one message each, one after the other
 *
 * The client prints one JSON object, and fails if a connection does.
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "loopback.h"

#define MESSAGE 64
#define CHUNK (256 * 1024)
#define MAX_PINGS 100000
#define LAST 'z'

static char chunk[CHUNK];

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void without_delay(int connection)
{
	int on = 1;

	setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* ---- the server ---- */

static void echo(int connection)
{
	ssize_t length;

	while ((length = read(connection, chunk, MESSAGE)) > 0)
		if (write(connection, chunk, (size_t)length) != length)
			return;
}

static void send_all(int connection)
{
	while (write(connection, chunk, CHUNK) > 0)
		;
}

/* Says how much it was when all has come. The end is a byte: not every relay can pass a half-close on. */
static void receive_all(int connection)
{
	uint64_t total = 0;
	ssize_t length;

	do {
		length = read(connection, chunk, CHUNK);
		if (length <= 0)
			return;
		total += (uint64_t)length;
	} while (chunk[length - 1] != LAST);
	if (write(connection, &total, sizeof(total)) != sizeof(total))
		fail("write");
}

static void serve_one(int connection)
{
	char what;

	without_delay(connection);
	if (read(connection, &what, 1) != 1)
		return;
	if (what == 'e')
		echo(connection);
	else if (what == 's')
		send_all(connection);
	else
		receive_all(connection);
}

static void serve(int port)
{
	int listener = listen_on_loopback(port);

	if (listener < 0)
		fail("listen");
	signal(SIGCHLD, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (connection < 0)
			fail("accept");
		if (fork() == 0) {
			close(listener);
			serve_one(connection);
			_exit(0);
		}
		close(connection);
	}
}

/* ---- the client ---- */

static int reach(int port, char what)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons((uint16_t)port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connection < 0 || connect(connection, (struct sockaddr *)&address, sizeof(address)) != 0)
		fail("connect");
	without_delay(connection);
	if (write(connection, &what, 1) != 1)
		fail("write");
	return connection;
}

static void bounce(int connection)
{
	ssize_t got = 0, length;

	if (write(connection, chunk, MESSAGE) != MESSAGE)
		fail("write");
	for (; got < MESSAGE; got += length)
		if ((length = read(connection, chunk, (size_t)(MESSAGE - got))) <= 0)
			fail("read");
}

static void ping(int port, int count, double seconds)
{
	int connection = reach(port, 'e');
	double end = now() + seconds;

	printf("{\"ns\":[");
	for (int i = 0; i < count && i < MAX_PINGS && now() < end; i++) {
		double start = now();

		bounce(connection);
		printf("%s%.0f", i > 0 ? "," : "", (now() - start) * 1e9);
	}
	printf("]}\n");
}

static void pull(int port, double seconds)
{
	int connection = reach(port, 's');
	double start = now();
	uint64_t total = 0;

	while (now() - start < seconds) {
		ssize_t length = read(connection, chunk, CHUNK);

		if (length <= 0)
			fail("read");
		total += (uint64_t)length;
	}
	printf("{\"bytesPerSecond\":%.0f}\n", (double)total / (now() - start));
}

static void push(int port, double seconds)
{
	int connection = reach(port, 'r');
	double start = now();
	const char last = LAST;
	uint64_t total;

	while (now() - start < seconds)
		if (write(connection, chunk, CHUNK) < 0)
			fail("write");
	if (write(connection, &last, 1) != 1)
		fail("write");
	if (recv(connection, &total, sizeof(total), MSG_WAITALL) != sizeof(total))
		fail("read");
	printf("{\"bytesPerSecond\":%.0f}\n", (double)total / (now() - start));
}

static void open_many(int port, double seconds)
{
	double start = now();
	int count = 0;

	for (; now() - start < seconds; count++) {
		int connection = reach(port, 'e');

		bounce(connection);
		shutdown(connection, SHUT_WR);
		if (read(connection, chunk, 1) != 0)
			fail("end");
		close(connection);
	}
	printf("{\"perSecond\":%.0f}\n", count / (now() - start));
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		serve(atoi(argv[2]));
	else if (argc == 5 && strcmp(argv[2], "ping") == 0)
		ping(atoi(argv[1]), atoi(argv[3]), atof(argv[4]));
	else if (argc == 4 && strcmp(argv[2], "pull") == 0)
		pull(atoi(argv[1]), atof(argv[3]));
	else if (argc == 4 && strcmp(argv[2], "push") == 0)
		push(atoi(argv[1]), atof(argv[3]));
	else if (argc == 4 && strcmp(argv[2], "open") == 0)
		open_many(atoi(argv[1]), atof(argv[3]));
	else
		return 2;
	return 0;
}
