/* What can be asked about TCP and UDP sockets: all of some local ports, one by its ends, and who has just gone. */
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "diag.h"
#include "operations.h"

static const struct word families[] = { { "inet", AF_INET }, { "inet6", AF_INET6 } };
static const struct word protocols[] = { { "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP } };

struct request {
	struct nlmsghdr header;
	struct inet_diag_req_v2 body;
};

static napi_value ask(napi_env env, int fd, struct nlmsghdr *request, bool absent_is_empty)
{
	struct rows rows = inet_rows();
	int error = ask_diag(fd, request, take_inet, &rows, &rows.inconsistent);
	napi_value result;

	if (absent_is_empty && (error == ENOENT || error == ESTALE))
		error = 0;
	result = error ? throw_system_error(env, error, "sock_diag", NULL) : from_inet_rows(env, &rows);
	free_rows(&rows);
	return result;
}

/*
 * The kernel's own filter, a chain of conditional jumps forward (linux/inet_diag.h): who gets exactly to its end is
 * told. For each port "at least", "at most" and a jump to the end; who fails goes to the next port, and from the last
 * one beyond the end. Equality is an operation only since Linux 5.11.
 */
struct port_test {
	struct inet_diag_bc_op at_least, least, at_most, most, accept;
};

/* Enough for any service, and few enough for the 16 bits of a jump. */
#define MOST_PORTS 1024

static void test_ports(struct port_test *tests, const int *ports, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		unsigned short port = (unsigned short)ports[i];
		size_t end = (count - i) * sizeof(*tests);
		/* From the first operation to the next test; after the last, to 4 bytes beyond the end. */
		size_t next = sizeof(*tests) + (i + 1 < count ? 0 : 4);

		tests[i].at_least = (struct inet_diag_bc_op){ INET_DIAG_BC_S_GE, 8, (unsigned short)next };
		tests[i].least.no = port;
		tests[i].at_most = (struct inet_diag_bc_op){ INET_DIAG_BC_S_LE, 8, (unsigned short)(next - 8) };
		tests[i].most.no = port;
		tests[i].accept = (struct inet_diag_bc_op){ INET_DIAG_BC_JMP, 4, (unsigned short)(end - 16) };
	}
}

napi_value op_inet_diag(napi_env env, napi_callback_info info)
{
	struct {
		struct request request;
		struct nlattr filter;
		struct port_test tests[MOST_PORTS];
	} question = { .request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY, .request.header.nlmsg_flags = NLM_F_DUMP };
	int fd, family, protocol, ports[MOST_PORTS];
	bool with_info;
	size_t count;
	napi_value arg[6];

	if (!get_arguments(env, info, 6, arg) || !to_int(env, arg[0], "netlink", &fd) ||
	    !to_word(env, arg[1], "family", families, ARRAY_LENGTH(families), &family) ||
	    !to_word(env, arg[2], "protocol", protocols, ARRAY_LENGTH(protocols), &protocol) ||
	    !to_uint32(env, arg[3], "states", &question.request.body.idiag_states) ||
	    !to_ints(env, arg[4], "ports", ports, MOST_PORTS, &count) || !to_bool(env, arg[5], "info", &with_info))
		return NULL;
	question.request.body.sdiag_family = (__u8)family;
	question.request.body.sdiag_protocol = (__u8)protocol;
	question.request.body.idiag_ext = with_info ? 1 << (INET_DIAG_INFO - 1) : 0;
	test_ports(question.tests, ports, count);
	question.filter.nla_type = INET_DIAG_REQ_BYTECODE;
	question.filter.nla_len = (unsigned short)(sizeof(question.filter) + count * sizeof(question.tests[0]));
	question.request.header.nlmsg_len = (__u32)(sizeof(question.request) + question.filter.nla_len);
	return ask(env, fd, &question.request.header, false);
}

static in_port_t copy_address(const union address *address, __be32 *bytes, __u32 *interface)
{
	const struct sockaddr_in *inet = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *inet6 = (const struct sockaddr_in6 *)address;

	if (address->any.sa_family == AF_INET) {
		memcpy(bytes, &inet->sin_addr, sizeof(inet->sin_addr));
		return inet->sin_port;
	}
	memcpy(bytes, &inet6->sin6_addr, sizeof(inet6->sin6_addr));
	if (inet6->sin6_scope_id != 0)
		*interface = inet6->sin6_scope_id;
	return inet6->sin6_port;
}

napi_value op_inet_diag_one(napi_env env, napi_callback_info info)
{
	struct request request = { .header.nlmsg_type = SOCK_DIAG_BY_FAMILY, .header.nlmsg_len = sizeof(request) };
	struct inet_diag_sockid *id = &request.body.id;
	union address local, remote;
	socklen_t length;
	int fd, protocol;
	napi_value arg[5];

	if (!get_arguments(env, info, 5, arg) || !to_int(env, arg[0], "netlink", &fd) ||
	    !to_word(env, arg[1], "protocol", protocols, ARRAY_LENGTH(protocols), &protocol) ||
	    !to_address(env, arg[2], &local, &length) || !to_address(env, arg[3], &remote, &length) ||
	    !to_cookie(env, arg[4], id->idiag_cookie))
		return NULL;
	if (local.any.sa_family == AF_UNIX || remote.any.sa_family != local.any.sa_family) {
		throw_type_error(env, "remote", "an address of the same Internet family as local");
		return NULL;
	}
	request.body.sdiag_family = (__u8)local.any.sa_family;
	request.body.sdiag_protocol = (__u8)protocol;
	request.body.idiag_ext = 1 << (INET_DIAG_INFO - 1);
	id->idiag_sport = copy_address(&local, id->idiag_src, &id->idiag_if);
	id->idiag_dport = copy_address(&remote, id->idiag_dst, &id->idiag_if);
	return ask(env, fd, &request.header, true);
}
