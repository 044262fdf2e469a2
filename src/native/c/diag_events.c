/*
 * Sockets that have just gone: joining the SKNLGRP_INET*_DESTROY groups, and what the kernel tells their members, one
 * message per socket with its last tcp_info.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "diag.h"
#include "operations.h"

/* Messages per system call, and per call of ours: the descriptor stays readable, so that others get their turn. */
#define BATCH 32
#define MOST_MESSAGES 1024

/* One message has about 350 bytes. */
#define MESSAGE_SIZE 1024

struct batch {
	_Alignas(struct nlmsghdr) char bytes[BATCH][MESSAGE_SIZE];
	struct sockaddr_nl from[BATCH];
	struct iovec parts[BATCH];
	struct mmsghdr messages[BATCH];
};

napi_value op_bind_netlink(napi_env env, napi_callback_info info)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK };
	napi_value arg[2];
	int fd;

	if (!get_arguments(env, info, 2, arg) || !to_int(env, arg[0], "netlink", &fd) ||
	    !to_uint32(env, arg[1], "groups", &address.nl_groups))
		return NULL;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return throw_errno(env, "bind");
	return NULL;
}

static int receive_batch(int fd, struct batch *batch)
{
	for (size_t i = 0; i < BATCH; i++) {
		batch->from[i] = (struct sockaddr_nl){ .nl_family = AF_NETLINK };
		batch->parts[i] = (struct iovec){ batch->bytes[i], MESSAGE_SIZE };
		batch->messages[i].msg_hdr = (struct msghdr){
			.msg_name = &batch->from[i],
			.msg_namelen = sizeof(batch->from[i]),
			.msg_iov = &batch->parts[i],
			.msg_iovlen = 1,
		};
	}
	return recvmmsg(fd, batch->messages, BATCH, MSG_DONTWAIT, NULL);
}

/* Returns 0 or an errno. */
static int take_batch(struct batch *batch, size_t count, struct rows *rows)
{
	for (size_t i = 0; i < count; i++) {
		struct nlmsghdr *message = (struct nlmsghdr *)batch->bytes[i];
		unsigned int length = batch->messages[i].msg_len;
		int error = 0;

		if (batch->messages[i].msg_hdr.msg_flags & MSG_TRUNC)
			rows->inconsistent = true;
		else if (batch->from[i].nl_pid == 0 && NLMSG_OK(message, length))
			error = take_inet(message, rows);
		if (error)
			return error;
	}
	return 0;
}

napi_value op_inet_diag_events(napi_env env, napi_callback_info info)
{
	struct rows rows = inet_rows();
	napi_value arg[1], result;
	int fd, got = BATCH, error = 0;
	struct batch batch;

	if (!get_arguments(env, info, 1, arg) || !to_int(env, arg[0], "netlink", &fd))
		return NULL;
	while (error == 0 && got == BATCH && rows.count < MOST_MESSAGES) {
		got = receive_batch(fd, &batch);
		if (got >= 0) {
			error = take_batch(&batch, (size_t)got, &rows);
		} else if (errno == ENOBUFS) {
			/* Told once, instead of a message: go on with those that did fit. */
			rows.inconsistent = true;
			got = BATCH;
		} else if (errno != EAGAIN) {
			error = errno;
		}
	}
	if (error)
		result = throw_system_error(env, error, "recvmmsg", NULL);
	else if (rows.count == 0 && !rows.inconsistent)
		result = from_null(env);
	else
		result = from_inet_rows(env, &rows);
	free_rows(&rows);
	return result;
}
