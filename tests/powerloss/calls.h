/*
 * Calls each function of libc that the library has a stand-in for, on files of the caller's own in an
 * empty directory, and compares what comes back with what libc answers. calls_program.c compiles this
 * into a program that has a store open, calls_library.c into a library that knows nothing of stores.
 *
 * What is done to the files is written down in calls.rs too, which compares it with what was recorded.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is in errno before each call; a call that succeeds leaves it there. */
enum { UNTOUCHED = 10007 };

static int wrong;

static void compare(long found, long wanted, int error, int line, const char *call) {
    int number = errno;
    if (found == wanted && number == error) return;
    fprintf(stderr, "line %d: %s gives %ld with errno %d, and libc %ld with %d\n", line, call, found, number,
            wanted, error);
    wrong++;
}

#define COMPARE(call, wanted, error)                      \
    do {                                                  \
        errno = UNTOUCHED;                                \
        long found = (long)(call);                        \
        compare(found, wanted, error, __LINE__, #call);   \
    } while (0)
#define GIVES(call, wanted) COMPARE(call, wanted, UNTOUCHED)
#define FAILS(call, error) COMPARE(call, -1, error)
#define IS(condition) compare((condition) ? 1 : 0, 1, errno, __LINE__, #condition)

static const char *own; /* the directory */

/* The path of `name`; good until three more of them were asked for. */
static const char *at(const char *name) {
    static char paths[4][PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, PATH_MAX, "%s/%s", own, name);
    return path;
}

static int create(const char *name) {
    int file = open(at(name), O_RDWR | O_CREAT | O_EXCL, 0644);
    IS(file >= 0 && write(file, name, strlen(name)) == (ssize_t)strlen(name));
    return file;
}

static long size_of(int file) {
    struct stat found;
    return fstat(file, &found) == 0 ? (long)found.st_size : -1;
}

static long names_of(int file) {
    struct stat found;
    return fstat(file, &found) == 0 ? (long)found.st_nlink : -1;
}

/* Whether the file with this name is the one that was created as `content`. */
static int holds(const char *name, const char *content) {
    char text[256];
    int file = open(at(name), O_RDONLY);
    ssize_t length = read(file, text, sizeof text);
    close(file);
    return length == (ssize_t)strlen(content) && memcmp(text, content, strlen(content)) == 0;
}

/* Descriptors of one file, and some that are none of a file. */
struct descriptors {
    int file, reader, writer, directory, pipe[2];
};

static void reading_and_writing(const struct descriptors *of) {
    char to[16] = {0};
    void *volatile nowhere = NULL;
    GIVES(pwrite64(of->file, "text", 4, 3), 4);
    GIVES(pwrite64(of->writer, "end", 3, 9), 3);
    GIVES(pwrite64(of->file, "", 0, 0), 0);
    GIVES(pread64(of->reader, to, 12, 0), 12);
    IS(memcmp(to, "filtext\0\0end", 12) == 0);
    GIVES(pread64(of->file, to, sizeof to, 10), 2);
    IS(memcmp(to, "nd", 2) == 0);
    GIVES(pread64(of->file, to, sizeof to, 12), 0);
    GIVES(pread64(of->file, to, sizeof to, 1 << 20), 0);
    GIVES(pread64(of->file, to, 0, 0), 0);
    IS(lseek64(of->file, 0, SEEK_CUR) == 4);

    FAILS(pread64(-1, to, 4, 0), EBADF);
    FAILS(pread64(of->writer, to, 4, 0), EBADF);
    FAILS(pread64(of->pipe[0], to, 4, 0), ESPIPE);
    FAILS(pread64(of->directory, to, 4, 0), EISDIR);
    FAILS(pread64(of->file, to, 4, -1), EINVAL);
    FAILS(pread64(of->file, nowhere, 4, 0), EFAULT);
    FAILS(pwrite64(-1, "text", 4, 0), EBADF);
    FAILS(pwrite64(of->reader, "text", 4, 0), EBADF);
    FAILS(pwrite64(of->pipe[1], "text", 4, 0), ESPIPE);
    FAILS(pwrite64(of->directory, "text", 4, 0), EBADF);
    FAILS(pwrite64(of->file, "text", 4, -1), EINVAL);
    FAILS(pwrite64(of->file, nowhere, 4, 0), EFAULT);
    IS(size_of(of->file) == 12);
}

static void cutting_and_syncing(const struct descriptors *of) {
    GIVES(ftruncate64(of->file, 2), 0);
    IS(size_of(of->file) == 2);
    GIVES(ftruncate64(of->writer, 5), 0);
    char to[8];
    GIVES(pread64(of->file, to, sizeof to, 0), 5);
    IS(memcmp(to, "fi\0\0\0", 5) == 0);
    FAILS(ftruncate64(-1, 0), EBADF);
    FAILS(ftruncate64(of->reader, 0), EINVAL);
    FAILS(ftruncate64(of->pipe[1], 0), EINVAL);
    FAILS(ftruncate64(of->directory, 0), EINVAL);
    FAILS(ftruncate64(of->file, -1), EINVAL);
    IS(size_of(of->file) == 5);

    GIVES(fsync(of->file), 0);
    GIVES(fsync(of->reader), 0);
    GIVES(fsync(of->directory), 0);
    FAILS(fsync(-1), EBADF);
    FAILS(fsync(of->pipe[1]), EINVAL);
    GIVES(sync_file_range(of->file, 0, 0, SYNC_FILE_RANGE_WRITE), 0);
    GIVES(sync_file_range(of->reader, 0, 1, SYNC_FILE_RANGE_WAIT_BEFORE), 0);
    FAILS(sync_file_range(-1, 0, 0, SYNC_FILE_RANGE_WRITE), EBADF);
    FAILS(sync_file_range(of->pipe[1], 0, 0, SYNC_FILE_RANGE_WRITE), ESPIPE);
    FAILS(sync_file_range(of->file, -1, 0, SYNC_FILE_RANGE_WRITE), EINVAL);
    FAILS(sync_file_range(of->file, 0, 0, 0x80), EINVAL);
}

static void locking(const struct descriptors *of) {
    int again = open(at("file"), O_RDWR);
    GIVES(flock(of->file, LOCK_EX), 0);
    FAILS(flock(again, LOCK_EX | LOCK_NB), EWOULDBLOCK);
    FAILS(flock(again, LOCK_SH | LOCK_NB), EWOULDBLOCK);
    GIVES(flock(of->file, LOCK_SH), 0);
    GIVES(flock(again, LOCK_SH | LOCK_NB), 0);
    FAILS(flock(of->file, LOCK_EX | LOCK_NB), EWOULDBLOCK);
    GIVES(flock(of->file, LOCK_UN), 0);
    GIVES(flock(again, LOCK_EX | LOCK_NB), 0);
    close(again); /* The lock goes with the last descriptor, which is this one. */
    GIVES(flock(of->file, LOCK_EX | LOCK_NB), 0);
    GIVES(flock(of->file, LOCK_UN), 0);
    FAILS(flock(-1, LOCK_EX), EBADF);
    FAILS(flock(of->file, 0), EINVAL);
    FAILS(flock(of->file, LOCK_SH | LOCK_EX | LOCK_UN), EINVAL);
}

static void renaming(void) {
    char long_name[NAME_MAX + 2];
    const char *volatile nowhere = NULL;
    memset(long_name, 'x', NAME_MAX + 1);
    long_name[NAME_MAX + 1] = '\0';
    int old = create("old"), replaced = create("replaced");
    GIVES(rename(at("old"), at("new")), 0);
    FAILS(rename(at("old"), at("new")), ENOENT);
    GIVES(rename(at("new"), at("replaced")), 0);
    IS(names_of(old) == 1 && names_of(replaced) == 0 && holds("replaced", "old"));
    GIVES(rename(at("replaced"), at("replaced")), 0);
    FAILS(rename(at("missing"), at("replaced")), ENOENT);
    FAILS(rename(at("replaced"), at("blobs")), EISDIR);
    FAILS(rename(at("blobs"), at("replaced")), ENOTDIR);
    FAILS(rename(at("blobs"), at("blobs/inside")), EINVAL);
    FAILS(rename(at("replaced/x"), at("y")), ENOTDIR);
    FAILS(rename(at("replaced"), at("missing/x")), ENOENT);
    FAILS(rename(at("replaced"), at(long_name)), ENAMETOOLONG);
    FAILS(rename("", at("y")), ENOENT);
    FAILS(rename(at("replaced"), ""), ENOENT);
    FAILS(rename(nowhere, at("y")), EFAULT);
    FAILS(rename(at("replaced"), nowhere), EFAULT);
    IS(holds("replaced", "old"));
    close(old);
    close(replaced);

    /* Names as the engine gives them to its snapshots. */
    close(create("snap.1.generating"));
    close(create("snap.2"));
    GIVES(rename(at("snap.1.generating"), at("snap.1")), 0);
    GIVES(rename(at("snap.1"), at("snap.2")), 0);
    IS(holds("snap.2", "snap.1.generating"));
    FAILS(rename(at("snap.1"), at("snap.2")), ENOENT);
    FAILS(rename(at("snap.2"), at("blobs")), EISDIR);
    /* Where there is no file that is called as the engine's log. */
    close(create("blobs/snap.3"));
    GIVES(rename(at("blobs/snap.3"), at("blobs/snap.4")), 0);
    GIVES(unlink(at("blobs/snap.4")), 0);
}

static void unlinking(void) {
    const char *volatile nowhere = NULL;
    close(create("gone"));
    int open_still = open(at("gone"), O_RDWR);
    GIVES(unlink(at("gone")), 0);
    IS(names_of(open_still) == 0 && size_of(open_still) == 4);
    close(open_still);
    FAILS(unlink(at("gone")), ENOENT);
    FAILS(unlink(at("blobs")), EISDIR);
    FAILS(unlink(at("replaced/x")), ENOTDIR);
    FAILS(unlink(""), ENOENT);
    FAILS(unlink(nowhere), EFAULT);
    GIVES(unlink(at("snap.2")), 0);

    /* In a directory that is called as the engine's. */
    close(create("blobs/17"));
    GIVES(unlink(at("blobs/17")), 0);
    FAILS(unlink(at("blobs/17")), ENOENT);
}

/* All of it, in `directory`, which is made. Says how many answers were wrong. */
static int check_calls(const char *directory) {
    own = directory;
    struct descriptors of;
    IS(mkdir(own, 0755) == 0 && mkdir(at("blobs"), 0755) == 0);
    /* As if this were the directory of a store. */
    int log = create("db");
    of.file = create("file");
    of.reader = open(at("file"), O_RDONLY);
    of.writer = open(at("file"), O_WRONLY);
    of.directory = open(own, O_RDONLY | O_DIRECTORY);
    IS(of.reader >= 0 && of.writer >= 0 && of.directory >= 0 && pipe(of.pipe) == 0);
    reading_and_writing(&of);
    cutting_and_syncing(&of);
    locking(&of);
    renaming();
    unlinking();
    int *descriptors[] = {&log, &of.file, &of.reader, &of.writer, &of.directory, &of.pipe[0], &of.pipe[1]};
    for (size_t i = 0; i < sizeof descriptors / sizeof *descriptors; i++) IS(close(*descriptors[i]) == 0);
    return wrong;
}
