/* Unix sockets as the kernel tells them: all that are in some states, with the queues of those that listen. */
#include <errno.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "diag.h"
#include "operations.h"

struct unix_row {
	uint64_t cookie;
	uint32_t inode, peer_inode, node_inode, node_device, rqueue, wqueue, pending_start, pending_count;
	uint8_t type, state, has_node, name_length;
	char name[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
};

#define COLUMN(name, type, member) { name, napi_##type##_array, offsetof(struct unix_row, member), 1 }

static const struct column columns[] = {
	COLUMN("cookie", biguint64, cookie),
	COLUMN("inode", uint32, inode),
	COLUMN("peerInode", uint32, peer_inode),
	COLUMN("nodeInode", uint32, node_inode),
	COLUMN("nodeDevice", uint32, node_device),
	COLUMN("receiveQueue", uint32, rqueue),
	COLUMN("sendQueue", uint32, wqueue),
	COLUMN("pendingStart", uint32, pending_start),
	COLUMN("pendingCount", uint32, pending_count),
	COLUMN("type", uint8, type),
	COLUMN("state", uint8, state),
	COLUMN("hasNode", uint8, has_node),
};

/* The sockets, and the inodes of those that wait in their queues, one listener's after the other's. */
struct answer {
	struct rows sockets, pending;
};

/* What take_attribute_of gets: the socket that its attributes are of. */
struct owner {
	struct answer *answer;
	struct unix_row *row;
	int error;
};

static void copy(void *to, size_t size, const struct attribute *attribute)
{
	memcpy(to, attribute->data, attribute->length < size ? attribute->length : size);
}

static void take_pending(const struct attribute *attribute, struct owner *owner)
{
	size_t count = attribute->length / sizeof(uint32_t);

	owner->row->pending_start = (uint32_t)owner->answer->pending.count;
	owner->row->pending_count = (uint32_t)count;
	for (size_t i = 0; i < count; i++) {
		uint32_t *inode = add_row(&owner->answer->pending);

		if (inode == NULL) {
			owner->error = ENOMEM;
			return;
		}
		memcpy(inode, (const char *)attribute->data + i * sizeof(*inode), sizeof(*inode));
	}
}

static void take_attribute_of(const struct attribute *attribute, void *into)
{
	struct owner *owner = into;
	struct unix_row *row = owner->row;
	struct unix_diag_vfs node = { 0 };
	struct unix_diag_rqlen queues = { 0 };

	switch (attribute->type) {
	case UNIX_DIAG_NAME:
		copy(row->name, sizeof(row->name), attribute);
		row->name_length = (uint8_t)(attribute->length < sizeof(row->name) ? attribute->length : sizeof(row->name));
		break;
	case UNIX_DIAG_VFS:
		copy(&node, sizeof(node), attribute);
		row->has_node = 1;
		row->node_inode = node.udiag_vfs_ino;
		row->node_device = node.udiag_vfs_dev;
		break;
	case UNIX_DIAG_PEER:
		copy(&row->peer_inode, sizeof(row->peer_inode), attribute);
		break;
	case UNIX_DIAG_ICONS:
		take_pending(attribute, owner);
		break;
	case UNIX_DIAG_RQLEN:
		copy(&queues, sizeof(queues), attribute);
		row->rqueue = queues.udiag_rqueue;
		row->wqueue = queues.udiag_wqueue;
		break;
	}
}

static int take_unix(const struct nlmsghdr *message, void *into)
{
	struct owner owner = { .answer = into };
	struct unix_diag_msg socket;

	if (message->nlmsg_len < NLMSG_LENGTH(sizeof(socket)))
		return EBADMSG;
	owner.row = add_row(&owner.answer->sockets);
	if (owner.row == NULL)
		return ENOMEM;
	memcpy(&socket, NLMSG_DATA(message), sizeof(socket));
	owner.row->type = socket.udiag_type;
	owner.row->state = socket.udiag_state;
	owner.row->inode = socket.udiag_ino;
	owner.row->cookie = join_cookie(socket.udiag_cookie);
	each_attribute(message, sizeof(socket), take_attribute_of, &owner);
	return owner.error;
}

/* Names as getsockname gives them: a path, "@name", or null. */
static napi_value from_names(napi_env env, const struct rows *sockets)
{
	const struct unix_row *row = (const struct unix_row *)sockets->items;
	napi_value names = NULL;

	napi_create_array_with_length(env, sockets->count, &names);
	for (size_t i = 0; i < sockets->count; i++, row++) {
		struct sockaddr_un address = { .sun_family = AF_UNIX };

		memcpy(address.sun_path, row->name, row->name_length);
		napi_set_element(env, names, (uint32_t)i,
				 from_unix_path(env, &address, offsetof(struct sockaddr_un, sun_path) + row->name_length));
	}
	return names;
}

static napi_value from_inodes(napi_env env, const struct rows *inodes)
{
	napi_value buffer, result = NULL;
	void *bytes;

	if (napi_create_arraybuffer(env, inodes->count * inodes->size, &bytes, &buffer) != napi_ok)
		return NULL;
	if (inodes->count > 0)
		memcpy(bytes, inodes->items, inodes->count * inodes->size);
	napi_create_typedarray(env, napi_uint32_array, inodes->count, buffer, 0, &result);
	return result;
}

napi_value op_unix_diag(napi_env env, napi_callback_info info)
{
	struct {
		struct nlmsghdr header;
		struct unix_diag_req body;
	} request = {
		{ .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_len = sizeof(request), .nlmsg_flags = NLM_F_DUMP },
		{ .sdiag_family = AF_UNIX, .udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_VFS | UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN },
	};
	struct answer answer = { { .size = sizeof(struct unix_row) }, { .size = sizeof(uint32_t) } };
	napi_value arg[3], result = NULL;
	bool with_pending;
	int fd, error;

	if (!get_arguments(env, info, 3, arg) || !to_int(env, arg[0], "netlink", &fd) ||
	    !to_uint32(env, arg[1], "states", &request.body.udiag_states) ||
	    !to_bool(env, arg[2], "pending", &with_pending))
		return NULL;
	if (with_pending)
		request.body.udiag_show |= UDIAG_SHOW_ICONS;
	error = ask_diag(fd, &request.header, take_unix, &answer, &answer.sockets.inconsistent);
	if (error) {
		throw_system_error(env, error, "sock_diag", NULL);
	} else {
		result = from_rows(env, &answer.sockets, columns, ARRAY_LENGTH(columns));
		set(env, result, "name", from_names(env, &answer.sockets));
		set(env, result, "pending", from_inodes(env, &answer.pending));
	}
	free_rows(&answer.sockets);
	free_rows(&answer.pending);
	return result;
}
