/*
 * The floor of the spawn benchmark: vfork and exec, and nothing else. vfork returns when the program has been executed,
 * as the addon's spawn does.
 *
 * usage: spawn COUNT PROGRAM       prints the times as a JSON array of nanoseconds
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(int argc, char **argv)
{
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (argc != 3 || nothing < 0)
		return 2;
	printf("[");
	for (long i = 0; i < atol(argv[1]); i++) {
		long long start = now();
		pid_t child = vfork();
		int status;

		if (child == 0) {
			dup2(nothing, 0);
			dup2(nothing, 1);
			execv(argv[2], argv + 2);
			_exit(127);
		}
		long long duration = now() - start;

		if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
			fprintf(stderr, "spawn: the program did not do its work\n");
			return 1;
		}
		printf("%s%lld", i == 0 ? "" : ",", duration);
	}
	printf("]\n");
	return 0;
}
