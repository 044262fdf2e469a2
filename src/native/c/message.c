/*
 * sendmsg(2) and recvmsg(2) with what travels beside the bytes: descriptors and credentials (unix(7)), the local address
 * and interface of a datagram (ip(7), ipv6(7)), when it arrived (socket(7)).
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "operations.h"

/* SCM_MAX_FD of the kernel: more in one message is EINVAL. */
#define MOST_DESCRIPTORS 253

/* Room for everything that one message can carry here. */
#define CONTROL_SIZE                                                                  \
	(CMSG_SPACE(MOST_DESCRIPTORS * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred)) + \
	 CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(struct sockaddr_in6)) + \
	 CMSG_SPACE(sizeof(struct timespec)))

union control {
	char bytes[CONTROL_SIZE];
	struct cmsghdr align;
};

/* Appends to the control data of a message, which is empty at first. */
static void attach(struct msghdr *message, union control *control, int level, int type, const void *data, size_t length)
{
	struct cmsghdr *header = (struct cmsghdr *)(control->bytes + message->msg_controllen);

	message->msg_control = control;
	message->msg_controllen += CMSG_SPACE(length);
	memset(header, 0, CMSG_SPACE(length));
	header->cmsg_level = level;
	header->cmsg_type = type;
	header->cmsg_len = CMSG_LEN(length);
	memcpy(CMSG_DATA(header), data, length);
}

/*
 * The address that a datagram is to come from, on a socket that is bound to all. A dual-stack socket takes an IPv4 one
 * as the mapped IPv6 address that it knows it by. The interface stays routing's choice but for a link-local address.
 */
static bool attach_source(napi_env env, napi_value value, struct msghdr *message, union control *control)
{
	union address source;
	socklen_t length;

	if (!to_address(env, value, &source, &length))
		return false;
	if (source.any.sa_family == AF_INET) {
		struct in_pktinfo packet = { .ipi_spec_dst = ((struct sockaddr_in *)&source)->sin_addr };

		attach(message, control, IPPROTO_IP, IP_PKTINFO, &packet, sizeof(packet));
	} else if (source.any.sa_family == AF_INET6) {
		const struct sockaddr_in6 *inet6 = (struct sockaddr_in6 *)&source;
		struct in6_pktinfo packet = { inet6->sin6_addr, inet6->sin6_scope_id };

		attach(message, control, IPPROTO_IPV6, IPV6_PKTINFO, &packet, sizeof(packet));
	} else {
		return throw_type_error(env, "source", "an Internet address");
	}
	return true;
}

napi_value op_send_message(napi_env env, napi_callback_info info)
{
	napi_value arg[5];
	int fd, descriptors[MOST_DESCRIPTORS];
	size_t length, count = 0;
	uint8_t *bytes;
	union address to;
	union control control;
	struct msghdr message = { 0 };
	struct iovec part;
	ssize_t sent;

	if (!get_arguments(env, info, 5, arg) || !to_int(env, arg[0], "fd", &fd) ||
	    !to_bytes(env, arg[1], "data", &bytes, &length))
		return NULL;
	if (!is_absent(env, arg[2])) {
		if (!to_address(env, arg[2], &to, &message.msg_namelen))
			return NULL;
		message.msg_name = &to;
	}
	if (!is_absent(env, arg[3]) &&
	    !to_ints(env, arg[3], "descriptors", descriptors, MOST_DESCRIPTORS, &count))
		return NULL;
	part = (struct iovec){ bytes, length };
	message.msg_iov = &part;
	message.msg_iovlen = 1;
	if (count > 0)
		attach(&message, &control, SOL_SOCKET, SCM_RIGHTS, descriptors, count * sizeof(int));
	if (!is_absent(env, arg[4]) && !attach_source(env, arg[4], &message, &control))
		return NULL;

	sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0)
		return errno == EAGAIN ? from_null(env) : throw_errno(env, "sendmsg");
	return from_double(env, (double)sent);
}

/* What came beside the bytes. */
struct received {
	int descriptors[MOST_DESCRIPTORS];
	size_t descriptor_count;
	bool has_credentials;
	struct ucred credentials;
	/* The destination, family AF_UNSPEC if unknown. */
	union address to;
	unsigned int interface;
	/* Zero if unknown. */
	struct timespec arrived_at;
};

/* A packet info has no port; IP_RECVORIGDSTADDR, whose message comes after it, gives the whole address. */
static void note_destination(struct received *received, const struct cmsghdr *header)
{
	struct sockaddr_in *inet = (struct sockaddr_in *)&received->to;
	struct sockaddr_in6 *inet6 = (struct sockaddr_in6 *)&received->to;
	const void *data = CMSG_DATA(header);

	if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
		struct in_pktinfo packet;

		memcpy(&packet, data, sizeof(packet));
		*inet = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = packet.ipi_addr };
		received->interface = (unsigned int)packet.ipi_ifindex;
	} else if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO) {
		struct in6_pktinfo packet;

		memcpy(&packet, data, sizeof(packet));
		*inet6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_addr = packet.ipi6_addr };
		if (IN6_IS_ADDR_LINKLOCAL(&packet.ipi6_addr))
			inet6->sin6_scope_id = packet.ipi6_ifindex;
		received->interface = packet.ipi6_ifindex;
	} else if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_ORIGDSTADDR) {
		memcpy(inet, data, sizeof(*inet));
	} else if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_ORIGDSTADDR) {
		memcpy(inet6, data, sizeof(*inet6));
	}
}

static void read_control(struct msghdr *message, struct received *received)
{
	for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL; header = CMSG_NXTHDR(message, header)) {
		size_t length = header->cmsg_len - CMSG_LEN(0);

		if (header->cmsg_level != SOL_SOCKET) {
			note_destination(received, header);
		} else if (header->cmsg_type == SCM_RIGHTS) {
			memcpy(received->descriptors, CMSG_DATA(header), length);
			received->descriptor_count = length / sizeof(int);
		} else if (header->cmsg_type == SCM_CREDENTIALS) {
			memcpy(&received->credentials, CMSG_DATA(header), sizeof(received->credentials));
			received->has_credentials = true;
		} else if (header->cmsg_type == SCM_TIMESTAMPNS) {
			memcpy(&received->arrived_at, CMSG_DATA(header), sizeof(received->arrived_at));
		}
	}
}

static napi_value from_credentials(napi_env env, const struct received *received)
{
	napi_value result;

	if (!received->has_credentials)
		return from_null(env);
	result = new_object(env);
	set_int(env, result, "pid", received->credentials.pid);
	set_double(env, result, "uid", received->credentials.uid);
	set_double(env, result, "gid", received->credentials.gid);
	return result;
}

static napi_value from_destination(napi_env env, const struct received *received)
{
	napi_value result;

	if (received->to.any.sa_family == AF_UNSPEC)
		return from_null(env);
	result = new_object(env);
	set(env, result, "address", from_address(env, &received->to, sizeof(received->to)));
	set_double(env, result, "interfaceIndex", received->interface);
	return result;
}

/* Nanoseconds since the epoch do not fit into a double. */
static napi_value from_arrival(napi_env env, const struct received *received)
{
	char text[48];

	if (received->arrived_at.tv_sec == 0)
		return from_null(env);
	snprintf(text, sizeof(text), "%lld%09ld", (long long)received->arrived_at.tv_sec, received->arrived_at.tv_nsec);
	return from_text(env, text);
}

napi_value op_receive_message(napi_env env, napi_callback_info info)
{
	napi_value arg[3], result;
	bool peek = false;
	int fd;
	size_t length;
	uint8_t *bytes;
	union address from = { .storage = { 0 } };
	union control control;
	struct received received = { .descriptor_count = 0 };
	struct msghdr message = { .msg_name = &from, .msg_namelen = sizeof(from) };
	struct iovec part;
	ssize_t got;

	if (!get_arguments(env, info, 3, arg) || !to_int(env, arg[0], "fd", &fd) ||
	    !to_bytes(env, arg[1], "buffer", &bytes, &length) ||
	    (!is_absent(env, arg[2]) && !to_bool(env, arg[2], "peek", &peek)))
		return NULL;
	part = (struct iovec){ bytes, length };
	message.msg_iov = &part;
	message.msg_iovlen = 1;
	message.msg_control = &control;
	message.msg_controllen = sizeof(control);

	got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT | (peek ? MSG_PEEK : 0));
	if (got < 0)
		return errno == EAGAIN ? from_null(env) : throw_errno(env, "recvmsg");

	read_control(&message, &received);
	result = new_object(env);
	set_double(env, result, "length", (double)got);
	set(env, result, "fds", from_ints(env, received.descriptors, received.descriptor_count));
	set(env, result, "from", from_address(env, &from, message.msg_namelen));
	set(env, result, "credentials", from_credentials(env, &received));
	set(env, result, "to", from_destination(env, &received));
	set(env, result, "arrivedAt", from_arrival(env, &received));
	set_bool(env, result, "truncated", (message.msg_flags & MSG_TRUNC) != 0);
	set_bool(env, result, "controlTruncated", (message.msg_flags & MSG_CTRUNC) != 0);
	return result;
}
