/*
 * System calls without the C library, for the child of a spawn. A call gives its result, or a negative errno, in a
 * register: children that are started together share the memory of the thread that started them, its errno included,
 * so that with syscall(3) one could read the failure of another.
 *
 * For an architecture that is not here the C library makes the call; children are then started one after another.
 */
#ifndef TINETD_RAW_H
#define TINETD_RAW_H

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__) && defined(__LP64__)

#define RAW_CALLS_SHARE_NOTHING true

static inline long raw_call(long number, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "cc", "memory");
	return result;
}

#elif defined(__aarch64__) && defined(__LP64__)

#define RAW_CALLS_SHARE_NOTHING true

static inline long raw_call(long number, long a, long b, long c, long d, long e)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;

	__asm__ volatile("svc #0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4)
			 : "cc", "memory");
	return x0;
}

#else

#define RAW_CALLS_SHARE_NOTHING false

static inline long raw_call(long number, long a, long b, long c, long d, long e)
{
	long result = syscall(number, a, b, c, d, e);

	return result < 0 ? -errno : result;
}

#endif

/* call(SYS_..., up to five arguments): integers or pointers. What is left out is 0. */
#define call(...) call_padded(__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define call_padded(number, a, b, c, d, e, ...) \
	raw_call((number), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e))

#endif
