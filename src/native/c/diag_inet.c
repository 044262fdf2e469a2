/* TCP and UDP sockets as the kernel tells them: struct inet_diag_msg with its attributes to a row. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/tcp.h>
#include <string.h>

#include "diag.h"

struct inet_row {
	uint64_t cookie;
	double bytes_sent, bytes_acked, bytes_received;
	uint32_t interface, inode, uid, rqueue, wqueue, last_data_sent, last_data_received;
	uint16_t local_port, remote_port;
	uint8_t family, state, local[16], remote[16];
};

#define COLUMN(name, type, member, length) { name, napi_##type##_array, offsetof(struct inet_row, member), length }

static const struct column columns[] = {
	COLUMN("cookie", biguint64, cookie, 1),
	COLUMN("bytesSent", float64, bytes_sent, 1),
	COLUMN("bytesAcked", float64, bytes_acked, 1),
	COLUMN("bytesReceived", float64, bytes_received, 1),
	COLUMN("interfaceIndex", uint32, interface, 1),
	COLUMN("inode", uint32, inode, 1),
	COLUMN("uid", uint32, uid, 1),
	COLUMN("receiveQueue", uint32, rqueue, 1),
	COLUMN("sendQueue", uint32, wqueue, 1),
	COLUMN("lastDataSentMs", uint32, last_data_sent, 1),
	COLUMN("lastDataReceivedMs", uint32, last_data_received, 1),
	COLUMN("localPort", uint16, local_port, 1),
	COLUMN("remotePort", uint16, remote_port, 1),
	COLUMN("family", uint8, family, 1),
	COLUMN("state", uint8, state, 1),
	COLUMN("localAddress", uint8, local, 16),
	COLUMN("remoteAddress", uint8, remote, 16),
};

struct rows inet_rows(void)
{
	return (struct rows){ .size = sizeof(struct inet_row) };
}

napi_value from_inet_rows(napi_env env, const struct rows *rows)
{
	return from_rows(env, rows, columns, ARRAY_LENGTH(columns));
}

/* struct tcp_info grows at its end: of an older kernel's, what is missing stays 0. */
static void take_tcp_info(const struct attribute *attribute, void *into)
{
	struct inet_row *row = into;
	struct tcp_info info = { 0 };

	if (attribute->type != INET_DIAG_INFO)
		return;
	memcpy(&info, attribute->data, attribute->length < sizeof(info) ? attribute->length : sizeof(info));
	/* Without what was sent twice. The other two count FIN as a byte, since it has a place in the sequence. */
	row->bytes_sent = (double)(info.tcpi_bytes_sent - info.tcpi_bytes_retrans);
	row->bytes_acked = (double)info.tcpi_bytes_acked;
	row->bytes_received = (double)info.tcpi_bytes_received;
	row->last_data_sent = info.tcpi_last_data_sent;
	row->last_data_received = info.tcpi_last_data_recv;
}

int take_inet(const struct nlmsghdr *message, void *into)
{
	struct inet_diag_msg socket;
	struct inet_row *row;

	if (message->nlmsg_len < NLMSG_LENGTH(sizeof(socket)))
		return EBADMSG;
	row = add_row(into);
	if (row == NULL)
		return ENOMEM;
	memcpy(&socket, NLMSG_DATA(message), sizeof(socket));
	row->family = socket.idiag_family;
	row->state = socket.idiag_state;
	row->local_port = ntohs(socket.id.idiag_sport);
	row->remote_port = ntohs(socket.id.idiag_dport);
	memcpy(row->local, socket.id.idiag_src, sizeof(row->local));
	memcpy(row->remote, socket.id.idiag_dst, sizeof(row->remote));
	row->interface = socket.id.idiag_if;
	row->cookie = join_cookie(socket.id.idiag_cookie);
	row->inode = socket.idiag_inode;
	row->uid = socket.idiag_uid;
	row->rqueue = socket.idiag_rqueue;
	row->wqueue = socket.idiag_wqueue;
	each_attribute(message, sizeof(socket), take_tcp_info, row);
	return 0;
}
