/*
 * The client of the benchmarks. In C, because a runtime's own noise would be a large part of what it measures.
 *
 * usage: client PORT first COUNT SECONDS    one connection after the other: time from connect to the first byte;
 *                                           ends early after that time
 *        client PORT rate SECONDS CLIENTS   as many connections as CLIENTS clients get through in that time
 *        client PORT pace SECONDS RATE      so many connections a second, begun at a steady pace, however long each takes
 *        client wake PAUSE_MS PORT...       one connection to each port, that long after the one before: time to the
 *                                           first byte
 *
 * Connects to 127.0.0.1 and prints one JSON object. An error is a connection that did not yield exactly the answer
 * and an orderly end: refused, reset, cut short, or (first) silent for TIMEOUT_SECONDS.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "answer.h"

#define TIMEOUT_SECONDS 5
#define DRAIN_SECONDS 1
#define NANOSECONDS 1000000000LL
#define MAX_CLIENTS 256

static struct sockaddr_in server = { .sin_family = AF_INET };

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * NANOSECONDS + time.tv_nsec;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* Reads what is there into text, of which length bytes are known. 1: more may come; 0: the end; -1: failed. */
static int read_more(int connection, char *text, size_t size, size_t *length)
{
	ssize_t got = read(connection, text + *length, size - *length);

	if (got > 0)
		*length += (size_t)got;
	return got > 0 ? 1 : (int)got;
}

static int is_answer(const char *text, size_t length)
{
	return length == sizeof(ANSWER) - 1 && memcmp(text, ANSWER, length) == 0;
}

/* One whole connection, blocking. Returns the nanoseconds to the first byte, or -1. */
static int64_t converse(void)
{
	struct timeval timeout = { .tv_sec = TIMEOUT_SECONDS };
	char text[64];
	size_t length = 0;
	int64_t start, first = -1;
	int more = 1;
	int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connection < 0)
		fail("socket");
	setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	start = now();
	if (connect(connection, (struct sockaddr *)&server, sizeof(server)) != 0) {
		close(connection);
		return -1;
	}
	while (length < sizeof(text) && (more = read_more(connection, text, sizeof(text), &length)) > 0)
		if (first < 0)
			first = now() - start;
	close(connection);
	return more == 0 && is_answer(text, length) ? first : -1;
}

/* Prints a list of times, which is closed by the number of errors. */
static long errors;
static const char *separator = "";

static void begin_times(void)
{
	printf("{\"firstByteNs\":[");
}

static void print_time(int64_t first)
{
	if (first < 0) {
		errors++;
		return;
	}
	printf("%s%lld", separator, (long long)first);
	separator = ",";
}

static void end_times(void)
{
	printf("],\"errors\":%ld}\n", errors);
}

static void measure_first_bytes(long count, double seconds)
{
	int64_t end = now() + (int64_t)(seconds * NANOSECONDS);

	begin_times();
	for (long i = 0; i < count && now() < end; i++)
		print_time(converse());
	end_times();
}

/* Each server is asked once, and had nothing to do for a while before. */
static void measure_wakes(int pause_ms, char **ports)
{
	begin_times();
	for (; *ports != NULL; ports++) {
		usleep((useconds_t)pause_ms * 1000);
		server.sin_port = htons((uint16_t)atoi(*ports));
		print_time(converse());
	}
	end_times();
}

/* One of the clients that connect at the same time. */
struct client {
	int fd;
	char text[64];
	size_t length;
};

/* Starts the client's next connection; 0 or -1 (it failed at once). */
static int begin(struct client *client, int epoll)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP, .data.ptr = client };

	client->length = 0;
	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (client->fd < 0)
		fail("socket");
	if (connect(client->fd, (struct sockaddr *)&server, sizeof(server)) != 0 && errno != EINPROGRESS) {
		close(client->fd);
		return -1;
	}
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, client->fd, &event) != 0)
		fail("epoll_ctl");
	return 0;
}

/* Goes on reading. 1: not over yet; 0: over, with the answer; -1: over, without. */
static int advance(struct client *client)
{
	int more = read_more(client->fd, client->text, sizeof(client->text), &client->length);

	if (more < 0 && errno == EAGAIN)
		return 1;
	if (more > 0 && client->length < sizeof(client->text))
		return 1;
	close(client->fd);
	return more == 0 && is_answer(client->text, client->length) ? 0 : -1;
}

static void measure_rate(double seconds, int count)
{
	static struct client clients[MAX_CLIENTS];
	struct epoll_event events[MAX_CLIENTS];
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	long connections = 0;
	int open = 0;
	int64_t start = now(), end = start + (int64_t)(seconds * NANOSECONDS);

	if (epoll < 0)
		fail("epoll_create1");
	for (int i = 0; i < count; i++) {
		if (begin(&clients[i], epoll) == 0)
			open++;
		else
			errors++;
	}
	/* What is open at the end is waited for a moment, so that it does not disturb the next server, but not counted. */
	while (open > 0 && now() < end + DRAIN_SECONDS * NANOSECONDS) {
		int ready = epoll_wait(epoll, events, MAX_CLIENTS, DRAIN_SECONDS * 1000);

		if (ready < 0)
			fail("epoll_wait");
		for (int i = 0; i < ready; i++) {
			struct client *client = events[i].data.ptr;
			int state = advance(client);

			if (state > 0)
				continue;
			open--;
			if (state < 0)
				errors++;
			else if (now() <= end)
				connections++;
			if (now() < end) {
				if (begin(client, epoll) == 0)
					open++;
				else
					errors++;
			}
		}
	}
	printf("{\"connections\":%ld,\"seconds\":%.6f,\"errors\":%ld}\n", connections, seconds, errors);
}

/* A connection that finds all clients busy begins late, when one of them is free. */
static void measure_pace(double seconds, double per_second)
{
	static struct client clients[MAX_CLIENTS];
	struct epoll_event events[MAX_CLIENTS];
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	long begun = 0, connections = 0;
	int64_t start = now(), end = start + (int64_t)(seconds * NANOSECONDS);

	if (epoll < 0)
		fail("epoll_create1");
	for (int i = 0; i < MAX_CLIENTS; i++)
		clients[i].fd = -1;
	while (now() < end) {
		long due = (long)((double)(now() - start) / NANOSECONDS * per_second);
		int ready;

		for (int i = 0; i < MAX_CLIENTS && begun < due; i++) {
			if (clients[i].fd >= 0)
				continue;
			begun++;
			if (begin(&clients[i], epoll) != 0) {
				clients[i].fd = -1;
				errors++;
			}
		}
		ready = epoll_wait(epoll, events, MAX_CLIENTS, 1);
		if (ready < 0)
			fail("epoll_wait");
		for (int i = 0; i < ready; i++) {
			struct client *client = events[i].data.ptr;
			int state = advance(client);

			if (state > 0)
				continue;
			client->fd = -1;
			if (state < 0)
				errors++;
			else
				connections++;
		}
	}
	printf("{\"connections\":%ld,\"seconds\":%.6f,\"errors\":%ld}\n", connections, seconds, errors);
}

static int usage(void)
{
	fprintf(stderr, "usage: client PORT first COUNT SECONDS | client PORT rate SECONDS CLIENTS"
			" | client PORT pace SECONDS RATE | client wake PAUSE_MS PORT...\n");
	return 2;
}

int main(int argc, char **argv)
{
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (argc > 3 && strcmp(argv[1], "wake") == 0) {
		measure_wakes(atoi(argv[2]), argv + 3);
		return 0;
	}
	if (argc != 5)
		return usage();
	server.sin_port = htons((uint16_t)atoi(argv[1]));
	if (strcmp(argv[2], "first") == 0) {
		measure_first_bytes(atol(argv[3]), atof(argv[4]));
		return 0;
	}
	if (strcmp(argv[2], "pace") == 0) {
		measure_pace(atof(argv[3]), atof(argv[4]));
		return 0;
	}
	int clients = atoi(argv[4]);

	if (strcmp(argv[2], "rate") != 0 || clients < 1 || clients > MAX_CLIENTS)
		return usage();
	measure_rate(atof(argv[3]), clients);
	return 0;
}
