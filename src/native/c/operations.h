/*
 * The one list of what the addon exports: the name in sys.ts and the function here. addon.c makes the exports of it.
 */
#ifndef TINETD_OPERATIONS_H
#define TINETD_OPERATIONS_H

#include "addon.h"

#define OPERATIONS(X)                              \
	/* socket.c */                             \
	X(socket, op_socket)                       \
	X(socketpair, op_socketpair)               \
	X(bind, op_bind)                           \
	X(listen, op_listen)                       \
	X(connect, op_connect)                     \
	X(getsockname, op_getsockname)             \
	X(getpeername, op_getpeername)             \
	X(shutdown, op_shutdown)                   \
	/* accept.c */                             \
	X(accept, op_accept)                       \
	/* options.c */                            \
	X(getsockopt, op_getsockopt)               \
	X(getsockoptBytes, op_getsockopt_bytes)    \
	X(setsockopt, op_setsockopt)               \
	X(peerCredentials, op_peer_credentials)    \
	X(socketCookie, op_socket_cookie)          \
	X(attachFilter, op_attach_filter)          \
	/* message.c */                            \
	X(sendMessage, op_send_message)            \
	X(receiveMessage, op_receive_message)      \
	/* descriptor.c */                         \
	X(read, op_read)                           \
	X(write, op_write)                         \
	X(close, op_close)                         \
	X(dup, op_dup)                             \
	X(setBlocking, op_set_blocking)            \
	X(isBlocking, op_is_blocking)              \
	X(setCloseOnExec, op_set_close_on_exec)    \
	X(pipe, op_pipe)                           \
	X(ioctlInt, op_ioctl_int)                  \
	X(poll, op_poll)                           \
	/* watch.c */                              \
	X(watch, op_watch)                         \
	/* epoll.c */                              \
	X(epoll, op_epoll)                         \
	X(epollAdd, op_epoll_add)                  \
	X(epollRemove, op_epoll_remove)            \
	X(epollWait, op_epoll_wait)                \
	/* relay.c */                              \
	X(relay, op_relay)                         \
	/* plan.c */                               \
	X(prepare, op_prepare)                     \
	/* spawn.c */                              \
	X(spawn, op_spawn)                         \
	X(spawnAll, op_spawn_all)                  \
	/* wait.c */                               \
	X(wait, op_wait)                           \
	X(peekEndedChild, op_peek_ended_child)     \
	X(waitPid, op_wait_pid)                    \
	/* signal.c */                             \
	X(pidfdOpen, op_pidfd_open)                \
	X(signalProcess, op_signal_process)        \
	X(signalGroup, op_signal_group)            \
	/* process.c */                            \
	X(setSubreaper, op_set_subreaper)          \
	X(getrlimit, op_getrlimit)                 \
	X(setrlimit, op_setrlimit)                 \
	X(exec, op_exec)                           \
	/* users.c */                              \
	X(lookupUser, op_lookup_user)              \
	X(lookupGroup, op_lookup_group)            \
	X(groupList, op_group_list)                \
	/* file.c */                               \
	X(getxattr, op_getxattr)                   \
	X(sealedFile, op_sealed_file)              \
	X(readAt, op_read_at)                      \
	X(lockFile, op_lock_file)                  \
	X(makeFifo, op_make_fifo)                  \
	X(exchangePaths, op_exchange_paths)        \
	/* diag_inet_query.c */                    \
	X(inetDiag, op_inet_diag)                  \
	X(inetDiagOne, op_inet_diag_one)           \
	/* diag_unix.c */                          \
	X(unixDiag, op_unix_diag)                  \
	/* diag_events.c */                        \
	X(bindNetlink, op_bind_netlink)            \
	X(inetDiagEvents, op_inet_diag_events)     \
	/* names.c */                              \
	X(interfaceIndex, op_interface_index)      \
	X(servicePort, op_service_port)

#define DECLARE_OPERATION(name, function) napi_value function(napi_env env, napi_callback_info info);
OPERATIONS(DECLARE_OPERATION)
#undef DECLARE_OPERATION

/* constants.c: the numbers of this architecture's headers, frozen. */
napi_value make_constants(napi_env env);

/* spawn.c: the names of the stages, in order. */
napi_value make_spawn_stages(napi_env env);

/* What outlives a call, one per environment (a main thread or a worker). */
struct environment {
	struct watches *watches;
	struct relays *relays;
};

/* addon.c */
struct environment *get_environment(napi_env env);

/* watch.c, relay.c: NULL if it cannot be had. They free themselves when the environment ends. */
struct watches *new_watches(napi_env env);
struct relays *new_relays(napi_env env);

#endif
