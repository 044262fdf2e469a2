/* A sealed anonymous file, for state that passes over an exec, locks, FIFOs, renames, and extended attributes. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "operations.h"

/* Linux 6.3; without it newer kernels warn, and may refuse (vm.memfd_noexec). */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

/* Those that are read here are short: "1", a hash. */
#define XATTR_VALUE_LIMIT 256

static int create_memfd(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd;
}

static bool write_all(int fd, const uint8_t *bytes, size_t length)
{
	while (length > 0) {
		ssize_t written = write(fd, bytes, length);

		if (written < 0)
			return false;
		bytes += written;
		length -= (size_t)written;
	}
	return true;
}

napi_value op_sealed_file(napi_env env, napi_callback_info info)
{
	napi_value arg[2];
	uint8_t *bytes;
	size_t length;
	char *name;
	int fd, error;

	if (!get_arguments(env, info, 2, arg) || !to_bytes(env, arg[1], "data", &bytes, &length) ||
	    !to_new_text(env, arg[0], "name", &name))
		return NULL;
	fd = create_memfd(name);
	error = errno;
	free(name);
	if (fd < 0)
		return throw_system_error(env, error, "memfd_create", NULL);
	if (write_all(fd, bytes, length) && lseek(fd, 0, SEEK_SET) == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0)
		return from_int(env, fd);
	error = errno;
	close(fd);
	return throw_system_error(env, error, "memfd_create", NULL);
}

napi_value op_read_at(napi_env env, napi_callback_info info)
{
	napi_value arg[3];
	uint8_t *bytes;
	size_t length;
	ssize_t count;
	int64_t position;
	int fd;

	if (!get_arguments(env, info, 3, arg) || !to_int(env, arg[0], "fd", &fd) ||
	    !to_bytes(env, arg[1], "buffer", &bytes, &length))
		return NULL;
	if (napi_get_value_int64(env, arg[2], &position) != napi_ok)
		return throw_type_error(env, "position", "a number"), NULL;
	count = pread(fd, bytes, length, position);
	return count < 0 ? throw_errno(env, "pread64") : from_double(env, (double)count);
}

napi_value op_lock_file(napi_env env, napi_callback_info info)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	napi_value arg[1];
	int fd;

	if (!get_arguments(env, info, 1, arg) || !to_int(env, arg[0], "fd", &fd))
		return NULL;
	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return from_null(env);
	if (errno != EAGAIN && errno != EACCES)
		return throw_errno(env, "fcntl");
	if (fcntl(fd, F_OFD_GETLK, &lock) < 0)
		return throw_errno(env, "fcntl");
	/* -1 when the holder is an open file description too: it may have many owners, and the kernel names none. */
	return from_int(env, lock.l_type == F_UNLCK ? -1 : lock.l_pid);
}

napi_value op_make_fifo(napi_env env, napi_callback_info info)
{
	napi_value arg[2];
	char path[PATH_MAX];
	int mode;

	if (!get_arguments(env, info, 2, arg) || !to_text(env, arg[0], "path", path, sizeof(path)) ||
	    !to_int(env, arg[1], "mode", &mode))
		return NULL;
	if (mkfifo(path, (mode_t)mode) < 0)
		return throw_system_error(env, errno, "mkfifo", path);
	return NULL;
}

napi_value op_exchange_paths(napi_env env, napi_callback_info info)
{
	char first[PATH_MAX], second[PATH_MAX];
	napi_value arg[2];

	if (!get_arguments(env, info, 2, arg) || !to_text(env, arg[0], "first", first, sizeof(first)) ||
	    !to_text(env, arg[1], "second", second, sizeof(second)))
		return NULL;
	if (renameat2(AT_FDCWD, first, AT_FDCWD, second, RENAME_EXCHANGE) < 0)
		return throw_system_error(env, errno, "renameat2", first);
	return NULL;
}

napi_value op_getxattr(napi_env env, napi_callback_info info)
{
	napi_value arg[2], buffer, result = NULL;
	char path[PATH_MAX], name[XATTR_NAME_MAX + 1], value[XATTR_VALUE_LIMIT];
	ssize_t length;
	void *bytes;

	if (!get_arguments(env, info, 2, arg) || !to_text(env, arg[0], "path", path, sizeof(path)) ||
	    !to_text(env, arg[1], "name", name, sizeof(name)))
		return NULL;
	length = getxattr(path, name, value, sizeof(value));
	if (length < 0)
		return errno == ENODATA || errno == EOPNOTSUPP ? from_null(env) :
								 throw_system_error(env, errno, "getxattr", path);
	if (napi_create_arraybuffer(env, (size_t)length, &bytes, &buffer) != napi_ok)
		return NULL;
	memcpy(bytes, value, (size_t)length);
	napi_create_typedarray(env, napi_uint8_array, (size_t)length, buffer, 0, &result);
	return result;
}
