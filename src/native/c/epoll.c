/*
 * epoll(7) by itself, for what Node's own loop cannot be asked: edges. An epoll descriptor is readable while it has
 * events, so that the loop can watch it in turn.
 */
#include <errno.h>
#include <sys/epoll.h>

#include "operations.h"

/* What one wait takes; the rest is there for the next. */
#define MOST_EVENTS 64

napi_value op_epoll(napi_env env, napi_callback_info info)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	(void)info;
	return fd < 0 ? throw_errno(env, "epoll_create1") : from_int(env, fd);
}

napi_value op_epoll_add(napi_env env, napi_callback_info info)
{
	napi_value arg[3];
	int epoll, fd, events;

	/* EPOLLET is the sign bit of what JavaScript's | makes of the constants. */
	if (!get_arguments(env, info, 3, arg) || !to_int(env, arg[0], "epoll", &epoll) || !to_int(env, arg[1], "fd", &fd) ||
	    !to_int(env, arg[2], "events", &events))
		return NULL;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){ .events = (uint32_t)events, .data.fd = fd }) < 0)
		return throw_errno(env, "epoll_ctl");
	return NULL;
}

napi_value op_epoll_remove(napi_env env, napi_callback_info info)
{
	napi_value arg[2];
	int epoll, fd;

	if (!get_arguments(env, info, 2, arg) || !to_int(env, arg[0], "epoll", &epoll) || !to_int(env, arg[1], "fd", &fd))
		return NULL;
	if (epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL) < 0)
		return throw_errno(env, "epoll_ctl");
	return NULL;
}

napi_value op_epoll_wait(napi_env env, napi_callback_info info)
{
	struct epoll_event events[MOST_EVENTS];
	napi_value arg[1], result = NULL;
	int epoll, count;

	if (!get_arguments(env, info, 1, arg) || !to_int(env, arg[0], "epoll", &epoll))
		return NULL;
	count = epoll_wait(epoll, events, MOST_EVENTS, 0);
	/* A wait that does not wait is not interrupted. */
	if (count < 0)
		return throw_errno(env, "epoll_wait");
	napi_create_array_with_length(env, (size_t)count, &result);
	for (int i = 0; i < count; i++) {
		napi_value event = new_object(env);

		set_int(env, event, "fd", events[i].data.fd);
		set_int(env, event, "events", (int)events[i].events);
		napi_set_element(env, result, (uint32_t)i, event);
	}
	return result;
}
