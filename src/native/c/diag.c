/*
 * One question to sock_diag(7) and its whole answer. Nothing here waits: the kernel writes the first part of an answer
 * within our send(2) and each further part within the recv(2) that makes room for it.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "diag.h"

/* The most that the kernel puts into one part; it goes up to this once it has seen that we take as much. */
#define PART_SIZE 32768

/* Marks our answers. What the kernel tells of its own accord (a joined group) has 0. */
#define SEQUENCE 1

/* One part, or -1 with errno; 0 is none that the kernel has sent. */
static ssize_t receive_part(int fd, void *buffer)
{
	struct sockaddr_nl from = { .nl_family = AF_NETLINK };
	struct iovec part = { buffer, PART_SIZE };
	struct msghdr message = { .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &part, .msg_iovlen = 1 };
	ssize_t length = recvmsg(fd, &message, MSG_DONTWAIT);

	if (length >= 0 && (message.msg_flags & MSG_TRUNC)) {
		errno = EMSGSIZE;
		return -1;
	}
	return length > 0 && from.nl_pid != 0 ? 0 : length;
}

/* What an earlier answer has left that was given up half-way: until it is read, the next question is EBUSY. */
static void drain(int fd, void *buffer)
{
	ssize_t length;

	do
		length = receive_part(fd, buffer);
	while (length > 0 || (length < 0 && (errno == ENOBUFS || errno == EMSGSIZE)));
}

/* The kernel's verdict, as an errno, from the end of an answer or instead of one. */
static int verdict(const struct nlmsghdr *message)
{
	int error = 0;

	if (message->nlmsg_len >= NLMSG_LENGTH(sizeof(error)))
		memcpy(&error, NLMSG_DATA(message), sizeof(error));
	return error < 0 ? -error : 0;
}

/* Takes the messages of one part. `*done` is set by the last one of the answer. */
static int take_part(void *buffer, size_t length, take_message take, void *into, bool *inconsistent, bool *done)
{
	unsigned int left = (unsigned int)length;

	for (struct nlmsghdr *message = buffer; NLMSG_OK(message, left) && !*done; message = NLMSG_NEXT(message, left)) {
		int error = 0;

		if (message->nlmsg_seq != SEQUENCE)
			continue;
		if (message->nlmsg_flags & NLM_F_DUMP_INTR)
			*inconsistent = true;
		*done = message->nlmsg_type == NLMSG_DONE || !(message->nlmsg_flags & NLM_F_MULTI);
		if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR)
			error = verdict(message);
		else
			error = take(message, into);
		if (error)
			return error;
	}
	return 0;
}

int ask_diag(int fd, struct nlmsghdr *request, take_message take, void *into, bool *inconsistent)
{
	_Alignas(struct nlmsghdr) char buffer[PART_SIZE];
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	bool done = false;

	drain(fd, buffer);
	request->nlmsg_flags |= NLM_F_REQUEST;
	request->nlmsg_seq = SEQUENCE;
	if (sendto(fd, request, request->nlmsg_len, MSG_DONTWAIT, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return errno;
	while (!done) {
		ssize_t length = receive_part(fd, buffer);
		int error;

		if (length < 0 && errno == ENOBUFS) {
			/* It ran out of memory in the middle, and will not go on. */
			*inconsistent = true;
			return 0;
		}
		if (length <= 0)
			return length < 0 ? errno : EPROTO;
		error = take_part(buffer, (size_t)length, take, into, inconsistent, &done);
		if (error)
			return error;
	}
	return 0;
}

void each_attribute(const struct nlmsghdr *message, size_t size, take_attribute take, void *into)
{
	const char *at = (const char *)NLMSG_DATA(message) + NLMSG_ALIGN(size);
	const char *end = (const char *)message + message->nlmsg_len;

	while (end - at >= NLA_HDRLEN) {
		const struct nlattr *header = (const struct nlattr *)at;

		if (header->nla_len < NLA_HDRLEN || header->nla_len > end - at)
			return;
		take(&(struct attribute){ header->nla_type & NLA_TYPE_MASK, at + NLA_HDRLEN,
					  header->nla_len - (size_t)NLA_HDRLEN },
		     into);
		at += NLA_ALIGN(header->nla_len);
	}
}
