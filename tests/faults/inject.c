/* A library to be loaded before all others. It lets one kind of call fail, from a chosen one on, for
   files below a directory; all from the environment:

   FAULT_DIRECTORY  the directory, as an absolute path without symbolic links
   FAULT_FILES      what the paths of these files begin with, below the directory; none is all files
   FAULT_KIND       open, read, pread, write, pwrite, fallocate, fsync, fdatasync, ftruncate, rename or
                    unlink; pread is also a read
   FAULT_FIRST      the number of the first call that fails, counted from 1
   FAULT_TIMES      how many calls fail from there on; 0 means all
   FAULT_ERRNO      the error number; 0 lets the call wait until fault_disarm() instead
   FAULT_LATE       after how many microseconds it fails; none is at once
   FAULT_HALF       if it is there, a pwrite that fails has written the first half of its bytes

   With the kind "slow" nothing fails: each fsync and fdatasync takes FAULT_FIRST microseconds more.

   With the kind "sector", FAULT_FIRST is a byte of the file `db`, and every read that covers it fails.

   Calls are counted also when FAULT_FIRST is never reached. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static char directory[PATH_MAX];
static char kind[16], files[32];
static long times, late;
static int half;
static atomic_long first;
static int number;
static atomic_long calls, hits, calls_before_rename = -1;
static atomic_int armed;

__attribute__((constructor)) static void start(void)
{
    const char *wanted = getenv("FAULT_DIRECTORY");
    const char *chosen = getenv("FAULT_KIND");
    if (wanted == NULL || chosen == NULL)
        return;
    snprintf(directory, sizeof directory, "%s/", wanted);
    snprintf(kind, sizeof kind, "%s", chosen);
    atomic_store(&first, atol(getenv("FAULT_FIRST")));
    if (getenv("FAULT_FILES") != NULL)
        snprintf(files, sizeof files, "%s", getenv("FAULT_FILES"));
    half = getenv("FAULT_HALF") != NULL;
    late = getenv("FAULT_LATE") == NULL ? 0 : atol(getenv("FAULT_LATE"));
    times = atol(getenv("FAULT_TIMES"));
    number = atoi(getenv("FAULT_ERRNO"));
    atomic_store(&armed, 1);
}

long fault_calls(void) { return atomic_load(&calls); }
long fault_hits(void) { return atomic_load(&hits); }
/* How many calls there were before something below the directory was renamed for the first time. */
long fault_calls_before_rename(void) { return atomic_load(&calls_before_rename); }
/* The first call that fails is this one. */
void fault_begin_with(long call) { atomic_store(&first, call); }
void fault_disarm(void) { atomic_store(&armed, 0); }

/* Whether this call on this path fails; errno is set then. */
static int fails(const char *what, const char *path)
{
    if (!atomic_load(&armed) || strcmp(what, kind) != 0
        || strncmp(path, directory, strlen(directory)) != 0)
        return 0;
    if (strncmp(path + strlen(directory), files, strlen(files)) != 0)
        return 0;
    long call = atomic_fetch_add(&calls, 1) + 1;
    long begin = atomic_load(&first);
    if (call < begin || (times > 0 && call >= begin + times))
        return 0;
    atomic_fetch_add(&hits, 1);
    if (number == 0) {
        while (atomic_load(&armed))
            usleep(1000);
        return 0;
    }
    usleep(late);
    errno = number;
    return 1;
}

static int fails_at(const char *what, int fd)
{
    char link[64], path[PATH_MAX];
    if (!atomic_load(&armed) || strcmp(what, kind) != 0)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return fails(what, path);
}

/* Whether this read covers the byte that cannot be read. */
static int hits_bad_sector(int fd, off64_t at, size_t size)
{
    char link[64], path[PATH_MAX];
    if (!atomic_load(&armed) || strcmp(kind, "sector") != 0)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 3 || strncmp(path, directory, strlen(directory)) != 0
        || strncmp(path + length - 3, "/db", 3) != 0)
        return 0;
    off64_t byte = atomic_load(&first);
    if (at > byte || (off64_t)size <= byte - at)
        return 0;
    atomic_fetch_add(&calls, 1);
    atomic_fetch_add(&hits, 1);
    errno = number;
    return 1;
}

#define REAL(type, name) ((type)dlsym(RTLD_NEXT, name))

#define OPEN(name)                                                             \
    int name(const char *path, int flags, ...)                                 \
    {                                                                          \
        va_list rest;                                                          \
        va_start(rest, flags);                                                 \
        int mode = va_arg(rest, int);                                          \
        va_end(rest);                                                          \
        if (fails("open", path))                                               \
            return -1;                                                         \
        return REAL(int (*)(const char *, int, ...), #name)(path, flags, mode); \
    }

OPEN(open)
OPEN(open64)

#define ON_FD(type, name, what, parameters, arguments)                         \
    type name parameters                                                       \
    {                                                                          \
        if (fails_at(what, fd))                                                \
            return -1;                                                         \
        return REAL(type (*) parameters, #name) arguments;                     \
    }

#define READ(name, parameters, arguments, otherwise)                           \
    ssize_t name parameters                                                    \
    {                                                                          \
        if (fails_at("read", fd) || (otherwise))                               \
            return -1;                                                         \
        return REAL(ssize_t (*) parameters, #name) arguments;                  \
    }

READ(read, (int fd, void *to, size_t size), (fd, to, size),
     hits_bad_sector(fd, lseek64(fd, 0, SEEK_CUR), size))
READ(pread, (int fd, void *to, size_t size, off_t at), (fd, to, size, at),
     fails_at("pread", fd) || hits_bad_sector(fd, at, size))
READ(pread64, (int fd, void *to, size_t size, off64_t at), (fd, to, size, at),
     fails_at("pread", fd) || hits_bad_sector(fd, at, size))
ON_FD(ssize_t, write, "write", (int fd, const void *from, size_t size), (fd, from, size))

#define PWRITE(name, offset)                                                   \
    ssize_t name(int fd, const void *from, size_t size, offset at)             \
    {                                                                          \
        typedef ssize_t call(int, const void *, size_t, offset);               \
        if (!fails_at("pwrite", fd))                                           \
            return REAL(call *, #name)(fd, from, size, at);                    \
        int error = errno;                                                     \
        if (half)                                                              \
            REAL(call *, #name)(fd, from, size / 2, at);                       \
        errno = error;                                                         \
        return -1;                                                             \
    }

PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)
ON_FD(int, fallocate, "fallocate", (int fd, int mode, off_t at, off_t size), (fd, mode, at, size))
ON_FD(int, fallocate64, "fallocate", (int fd, int mode, off64_t at, off64_t size),
      (fd, mode, at, size))

#define SYNC(name)                                                             \
    int name(int fd)                                                           \
    {                                                                          \
        if (atomic_load(&armed) && strcmp(kind, "slow") == 0)                  \
            usleep(atomic_load(&first));                                       \
        if (fails_at(#name, fd))                                               \
            return -1;                                                         \
        return REAL(int (*)(int), #name)(fd);                                  \
    }

SYNC(fsync)
SYNC(fdatasync)
ON_FD(int, ftruncate, "ftruncate", (int fd, off_t size), (fd, size))
ON_FD(int, ftruncate64, "ftruncate", (int fd, off64_t size), (fd, size))

/* The library's own rename() ends here. */
int renameat(int from_directory, const char *from, int to_directory, const char *to)
{
    long none = -1;
    if (atomic_load(&armed) && strncmp(from, directory, strlen(directory)) == 0)
        atomic_compare_exchange_strong(&calls_before_rename, &none, atomic_load(&calls));
    if (fails("rename", from))
        return -1;
    return REAL(int (*)(int, const char *, int, const char *), "renameat")(from_directory, from,
                                                                            to_directory, to);
}

/* The library's own unlink() ends here. */
int unlinkat(int in_directory, const char *path, int flags)
{
    if (fails("unlink", path))
        return -1;
    return REAL(int (*)(int, const char *, int), "unlinkat")(in_directory, path, flags);
}
