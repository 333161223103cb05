/*
 * Records what a program does to the files below one directory, in the order in which it takes
 * effect. To be preloaded.
 *
 *     SLEDSTORE_RECORD_DIRECTORY   the directory, empty when the program starts
 *     SLEDSTORE_RECORD_LOG         the file that receives the records, outside of it
 *
 * Each call that changes or syncs such a file is made and recorded under one lock, so that the order
 * of the records is the order of the effects. Calls that fail have no effect and are not recorded.
 * Files and directories are known by their inodes, not by descriptors or paths: so it does not matter
 * how often they are opened, duplicated and closed, or by which path.
 *
 * Calls that are not here (mappings that are written through, posix_fallocate, links) would go unnoticed.
 * Whoever reads the log has to compare what it says with what is there in the end.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include "nodes.h"

/* One record: this, then `text_length` bytes of names, then `data_length` bytes of data. */
struct record {
    uint32_t operation; /* a letter, see tests/powerloss/log.rs */
    uint32_t node;      /* the file or directory that it is about */
    uint32_t parent;    /* the directory that the names are in */
    uint32_t text_length;
    uint64_t offset;
    uint64_t length;
    uint64_t data_length;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_descriptor = -1;

static struct {
    int (*openat)(int, const char *, int, ...);
    ssize_t (*write)(int, const void *, size_t);
    ssize_t (*writev)(int, const struct iovec *, int);
    ssize_t (*pwrite64)(int, const void *, size_t, off64_t);
    int (*ftruncate64)(int, off64_t);
    int (*fallocate64)(int, int, off64_t, off64_t);
    int (*renameat)(int, const char *, int, const char *);
    int (*unlinkat)(int, const char *, int);
    int (*mkdirat)(int, const char *, mode_t);
    int (*fsync)(int);
    int (*fdatasync)(int);
    int (*sync_file_range)(int, off64_t, off64_t, unsigned);
    long (*syscall)(long, ...);
} real;

static void *find(const char *name) {
    void *symbol = dlsym(RTLD_NEXT, name);
    if (!symbol) give_up(name);
    return symbol;
}

static void start(void) {
    *(void **)&real.openat = find("openat64");
    *(void **)&real.write = find("write");
    *(void **)&real.writev = find("writev");
    *(void **)&real.pwrite64 = find("pwrite64");
    *(void **)&real.ftruncate64 = find("ftruncate64");
    *(void **)&real.fallocate64 = find("fallocate64");
    *(void **)&real.renameat = find("renameat");
    *(void **)&real.unlinkat = find("unlinkat");
    *(void **)&real.mkdirat = find("mkdirat");
    *(void **)&real.fsync = find("fsync");
    *(void **)&real.fdatasync = find("fdatasync");
    *(void **)&real.sync_file_range = find("sync_file_range");
    *(void **)&real.syscall = find("syscall");
    const char *directory = getenv("SLEDSTORE_RECORD_DIRECTORY");
    const char *log = getenv("SLEDSTORE_RECORD_LOG");
    if (!directory || !log) return;
    struct stat found;
    if (stat(directory, &found) != 0) give_up(directory);
    int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_APPEND;
    log_descriptor = real.openat(AT_FDCWD, log, flags, 0644);
    if (log_descriptor < 0) give_up(log);
    add_node(&found);
}

static void begin(void) {
    pthread_once(&once, start);
    pthread_mutex_lock(&lock);
}

/* The errno of the real call is the caller's. */
static void end(void) {
    int error = errno;
    pthread_mutex_unlock(&lock);
    errno = error;
}

static void put(const void *data, size_t length) {
    while (length > 0) {
        ssize_t written = real.write(log_descriptor, data, length);
        if (written < 0) give_up("the log");
        data = (const char *)data + written;
        length -= (size_t)written;
    }
}

static void note(char operation, int64_t node, int64_t parent, const char *text, uint64_t offset, uint64_t length,
                 const void *data) {
    int error = errno;
    struct record record = {(uint32_t)operation, (uint32_t)node, (uint32_t)parent, (uint32_t)strlen(text),
                            offset, length, data ? length : 0};
    put(&record, sizeof record);
    put(text, record.text_length);
    put(data, record.data_length);
    errno = error;
}

/* For the program: says how far it is. To be found with dlsym. */
void powerloss_mark(uint32_t kind, uint64_t value) {
    begin();
    if (node_count) note('M', kind, 0, "", value, 0, NULL);
    end();
}

static int open_and_note(int directory, const char *path, int flags, mode_t mode) {
    char name[NAME_MAX + 1];
    struct stat found;
    if (!(flags & (O_CREAT | O_TRUNC))) {
        pthread_once(&once, start);
        return real.openat(directory, path, flags, mode);
    }
    begin();
    int64_t parent = parent_of(directory, path, name);
    int error = errno;
    int there = parent >= 0 && fstatat(directory, path, &found, 0) == 0;
    errno = error;
    int descriptor = real.openat(directory, path, flags, mode);
    if (descriptor >= 0 && parent >= 0 && !there) {
        if (fstat(descriptor, &found) != 0) give_up(path);
        add_node(&found);
        note('C', node_count - 1, parent, name, 0, 0, NULL);
    } else if (descriptor >= 0 && there && (flags & O_TRUNC) && found.st_size > 0) {
        int64_t node = node_of(&found);
        if (node >= 0) note('T', node, 0, "", 0, 0, NULL);
    }
    end();
    return descriptor;
}

#define MODE(flags, last)                                              \
    mode_t mode = 0;                                                   \
    if (((flags) & O_CREAT) || ((flags) & O_TMPFILE) == O_TMPFILE) {   \
        va_list arguments;                                             \
        va_start(arguments, last);                                     \
        mode = va_arg(arguments, mode_t);                              \
        va_end(arguments);                                             \
    }

int open(const char *path, int flags, ...) {
    MODE(flags, flags)
    return open_and_note(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE(flags, flags)
    return open_and_note(AT_FDCWD, path, flags, mode);
}

int openat(int directory, const char *path, int flags, ...) {
    MODE(flags, flags)
    return open_and_note(directory, path, flags, mode);
}

int openat64(int directory, const char *path, int flags, ...) {
    MODE(flags, flags)
    return open_and_note(directory, path, flags, mode);
}

int creat(const char *path, mode_t mode) {
    return open_and_note(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

int creat64(const char *path, mode_t mode) { return creat(path, mode); }

ssize_t pwrite64(int descriptor, const void *data, size_t length, off64_t offset) {
    begin();
    int64_t node = node_of_descriptor(descriptor);
    ssize_t written = real.pwrite64(descriptor, data, length, offset);
    if (written > 0 && node >= 0) note('W', node, 0, "", (uint64_t)offset, (uint64_t)written, data);
    end();
    return written;
}

ssize_t pwrite(int descriptor, const void *data, size_t length, off_t offset) {
    return pwrite64(descriptor, data, length, offset);
}

/* Where a write of this length began, which has just been made. With O_APPEND too the position is at
 * its end afterwards. */
static uint64_t began(int descriptor, ssize_t written) {
    off64_t position = lseek64(descriptor, 0, SEEK_CUR);
    if (position < written) give_up("a file without a position");
    return (uint64_t)(position - written);
}

/* Only writes to recorded files wait: one to a pipe may last, and another thread has to go on. */
ssize_t write(int descriptor, const void *data, size_t length) {
    begin();
    int64_t node = node_of_descriptor(descriptor);
    if (node < 0) {
        end();
        return real.write(descriptor, data, length);
    }
    ssize_t written = real.write(descriptor, data, length);
    if (written > 0) note('W', node, 0, "", began(descriptor, written), (uint64_t)written, data);
    end();
    return written;
}

ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    begin();
    int64_t node = node_of_descriptor(descriptor);
    if (node < 0) {
        end();
        return real.writev(descriptor, parts, count);
    }
    ssize_t written = real.writev(descriptor, parts, count);
    if (written > 0) {
        uint64_t offset = began(descriptor, written);
        size_t left = (size_t)written;
        for (int i = 0; left > 0; i++) {
            size_t length = parts[i].iov_len < left ? parts[i].iov_len : left;
            if (length > 0) note('W', node, 0, "", offset, length, parts[i].iov_base);
            offset += length;
            left -= length;
        }
    }
    end();
    return written;
}

int ftruncate64(int descriptor, off64_t size) {
    begin();
    int64_t node = node_of_descriptor(descriptor);
    int result = real.ftruncate64(descriptor, size);
    if (result == 0 && node >= 0) note('T', node, 0, "", (uint64_t)size, 0, NULL);
    end();
    return result;
}

int ftruncate(int descriptor, off_t size) { return ftruncate64(descriptor, size); }

/* The space that it reserves reads as zeros, so all that there is to record is a file that grows. */
int fallocate64(int descriptor, int mode, off64_t offset, off64_t length) {
    struct stat before;
    begin();
    int64_t node = node_of_descriptor(descriptor);
    if (node >= 0 && (mode != 0 || fstat(descriptor, &before) != 0)) give_up("a fallocate of an unknown kind");
    int result = real.fallocate64(descriptor, mode, offset, length);
    if (result == 0 && node >= 0 && offset + length > before.st_size)
        note('T', node, 0, "", (uint64_t)(offset + length), 0, NULL);
    end();
    return result;
}

int fallocate(int descriptor, int mode, off_t offset, off_t length) {
    return fallocate64(descriptor, mode, offset, length);
}

int renameat(int from_directory, const char *from, int to_directory, const char *to) {
    char from_name[NAME_MAX + 1], to_name[NAME_MAX + 1], both[2 * NAME_MAX + 2];
    begin();
    int64_t from_parent = parent_of(from_directory, from, from_name);
    int64_t to_parent = parent_of(to_directory, to, to_name);
    int result = real.renameat(from_directory, from, to_directory, to);
    if (result == 0 && (from_parent >= 0 || to_parent >= 0)) {
        snprintf(both, sizeof both, "%s/%s", from_name, to_name);
        note('N', to_parent, from_parent, both, 0, 0, NULL);
    }
    end();
    return result;
}

int rename(const char *from, const char *to) { return renameat(AT_FDCWD, from, AT_FDCWD, to); }

int unlinkat(int directory, const char *path, int flags) {
    char name[NAME_MAX + 1];
    begin();
    int64_t parent = parent_of(directory, path, name);
    int result = real.unlinkat(directory, path, flags);
    if (result == 0 && parent >= 0) note('U', 0, parent, name, 0, 0, NULL);
    end();
    return result;
}

int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }

int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdirat(int directory, const char *path, mode_t mode) {
    char name[NAME_MAX + 1];
    struct stat found;
    begin();
    int64_t parent = parent_of(directory, path, name);
    int result = real.mkdirat(directory, path, mode);
    if (result == 0 && parent >= 0) {
        if (fstatat(directory, path, &found, 0) != 0) give_up(path);
        add_node(&found);
        note('D', node_count - 1, parent, name, 0, 0, NULL);
    }
    end();
    return result;
}

int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

#define SYNC(operation, call)                                                    \
    begin();                                                                     \
    int64_t node = node_of_descriptor(descriptor);                               \
    int result = (int)(call);                                                    \
    if (result == 0 && node >= 0) note(operation, node, 0, "", 0, 0, NULL);      \
    end();                                                                       \
    return result;

int fsync(int descriptor) { SYNC('S', real.fsync(descriptor)) }

int fdatasync(int descriptor) { SYNC('F', real.fdatasync(descriptor)) }

int sync_file_range(int descriptor, off64_t offset, off64_t length, unsigned flags) {
    SYNC('R', real.sync_file_range(descriptor, offset, length, flags))
}

/* Like libc's, it takes up to six arguments whatever the call, and the kernel uses those that it knows. */
long syscall(long number, ...) {
    long a[6];
    va_list arguments;
    va_start(arguments, number);
    for (int i = 0; i < 6; i++) a[i] = va_arg(arguments, long);
    va_end(arguments);
    if (number == SYS_sync_file_range) {
        int descriptor = (int)a[0];
        SYNC('R', real.syscall(number, a[0], a[1], a[2], a[3]))
    }
    pthread_once(&once, start);
    return real.syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
