/* Dumps: whole stores as streams of bytes, and loading them. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROWS = 6000, ROOM = 1 << 20 };

struct stream {
    char *bytes;
    size_t len, place;
    sledstore *store; /* what the callback uses, or NULL */
    int calls, cancel_at, destroyed;
    bool forks;
    pid_t child; /* -1: nothing was forked */
};

static int32_t step(struct stream *stream)
{
    if (stream->store != NULL) {
        check_put(stream->store, "from the callback", "value");
        CHECK_STATUS(SLEDSTORE_REENTRANT, sledstore_close(stream->store, &error));
    }
    if (stream->forks && stream->child == -1) stream->child = fork();
    return stream->calls++ == stream->cancel_at ? -1 : 0;
}

static int32_t take(void *ctx, const void *data, size_t len)
{
    struct stream *stream = ctx;
    CHECK(stream->len + len <= ROOM);
    memcpy(stream->bytes + stream->len, data, len);
    stream->len += len;
    return step(stream);
}

static int64_t give(void *ctx, void *buffer, size_t capacity)
{
    struct stream *stream = ctx;
    size_t len = stream->len - stream->place < 1000 ? stream->len - stream->place : 1000;
    CHECK(capacity >= len);
    memcpy(buffer, stream->bytes + stream->place, len);
    stream->place += len;
    return step(stream) < 0 ? -1 : (int64_t)len;
}

static void destroy(void *ctx)
{
    ((struct stream *)ctx)->destroyed++;
}

static struct stream stream_new(void)
{
    struct stream stream = {NULL, 0, 0, NULL, 0, -1, 0, false, -1};
    stream.bytes = malloc(ROOM);
    CHECK(stream.bytes != NULL);
    return stream;
}

static sledstore_write_callback sink_of(struct stream *stream)
{
    sledstore_write_callback sink = SLEDSTORE_WRITE_CALLBACK_INIT;
    sink.ctx = stream;
    sink.write = take;
    sink.destroy = destroy;
    return sink;
}

static sledstore_read_callback source_of(struct stream *stream)
{
    sledstore_read_callback source = SLEDSTORE_READ_CALLBACK_INIT;
    source.ctx = stream;
    source.read = give;
    source.destroy = destroy;
    stream->place = 0;
    stream->calls = stream->destroyed = 0;
    return source;
}

static sledstore *open_filled(void)
{
    sledstore *store = check_open("store"), *lives = check_open_tree(store, "lives");
    char key[16];
    for (int row = 0; row < ROWS; row++) {
        snprintf(key, sizeof key, "%08d", row);
        check_put(store, key, "value");
    }
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_put_with_ttl(lives, TEXT("mortal"), TEXT("value"), 3600000, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_release(lives, &error));
    return store;
}

static void check_loaded(sledstore *copy)
{
    sledstore *lives = check_open_tree(copy, "lives");
    uint64_t left = 0;
    CHECK_COUNT(copy, ROWS);
    CHECK_VALUE(copy, "00005999", "value");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_ttl(lives, TEXT("mortal"), &left, &error));
    CHECK(left > 0 && left <= 3600000);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_release(lives, &error));
}

TEST(dump_and_load_bring_everything_through_callbacks)
{
    sledstore *store = open_filled();
    for (uint32_t format = SLEDSTORE_DUMP_BINARY; format <= SLEDSTORE_DUMP_PRINT; format++) {
        struct stream stream = stream_new();
        sledstore_write_callback sink = sink_of(&stream);
        CHECK_STATUS(SLEDSTORE_OK, sledstore_dump(store, format, &sink, &error));
        CHECK_NUMBER(1, stream.destroyed);
        CHECK(stream.calls > 1);
        char name[16];
        snprintf(name, sizeof name, "copy %d", (int)format);
        sledstore *copy = check_open(name);
        sledstore_read_callback source = source_of(&stream);
        CHECK_STATUS(SLEDSTORE_OK, sledstore_load(copy, &source, &error));
        CHECK_NUMBER(1, stream.destroyed);
        check_loaded(copy);
        check_close(copy);
        copy = check_open(name);
        check_loaded(copy);
        check_close(copy);
        free(stream.bytes);
    }
    check_close(store);
}

TEST(dump_and_load_bring_everything_through_files)
{
    sledstore *store = open_filled(), *copy = check_open("copy");
    int fd = open(check_path("dump"), O_RDWR | O_CREAT, 0600);
    CHECK(fd >= 0 && write(fd, "mine", 4) == 4);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_dump_fd(store, SLEDSTORE_DUMP_PRINT, fd, &error));
    CHECK(lseek(fd, 4, SEEK_SET) == 4); /* it is still open, and what was there is there */
    CHECK_STATUS(SLEDSTORE_OK, sledstore_load_fd(copy, fd, &error));
    check_loaded(copy);
    CHECK(close(fd) == 0);
    CHECK_STATUS(SLEDSTORE_IO,
                 sledstore_load_fd(copy, 987654, &error)); /* nobody has that number */
    CHECK_NUMBER(EBADF, check_os_code());
    CHECK_STATUS(SLEDSTORE_IO, sledstore_dump_fd(store, SLEDSTORE_DUMP_PRINT, 987654, &error));
    CHECK_NUMBER(EBADF, check_os_code());
    fd = open("/dev/full", O_WRONLY);
    CHECK_STATUS(SLEDSTORE_DISK_FULL, sledstore_dump_fd(store, SLEDSTORE_DUMP_BINARY, fd, &error));
    CHECK(close(fd) == 0);
    check_close(copy);
    check_close(store);
}

TEST(callbacks_of_dump_and_load_may_use_the_store_and_may_cancel)
{
    sledstore *store = open_filled(), *copy = check_open("copy");
    struct stream stream = stream_new();
    sledstore_write_callback sink = sink_of(&stream);
    stream.cancel_at = 0;
    CHECK_STATUS(SLEDSTORE_CANCELLED, sledstore_dump(store, SLEDSTORE_DUMP_BINARY, &sink, &error));
    CHECK_NUMBER(1, stream.calls); /* and is not asked again */
    stream.cancel_at = -1;
    stream.len = 0;
    stream.store = store;
    CHECK_NUMBER(SLEDSTORE_OK, sledstore_dump(store, SLEDSTORE_DUMP_BINARY, &sink, NULL));
    CHECK_VALUE(store, "from the callback", "value");

    sledstore_read_callback source = source_of(&stream);
    stream.store = NULL;
    stream.cancel_at = 3;
    CHECK_STATUS(SLEDSTORE_CANCELLED, sledstore_load(copy, &source, &error));
    CHECK_NUMBER(1, stream.destroyed);
    CHECK_COUNT(copy, 0);
    source = source_of(&stream);
    stream.store = copy;
    stream.cancel_at = -1;
    CHECK_NUMBER(SLEDSTORE_OK, sledstore_load(copy, &source, NULL));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_delete(copy, TEXT("from the callback"), &error));
    check_loaded(copy);
    free(stream.bytes);
    check_close(copy);
    check_close(store);
}

TEST(load_refuses_a_damaged_stream_with_the_place)
{
    sledstore *store = open_filled(), *copy = check_open("copy");
    struct stream stream = stream_new();
    sledstore_write_callback sink = sink_of(&stream);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_dump(store, SLEDSTORE_DUMP_BINARY, &sink, &error));
    stream.bytes[5000] ^= 4;
    sledstore_read_callback source = source_of(&stream);
    CHECK_STATUS(SLEDSTORE_CORRUPTION, sledstore_load(copy, &source, &error));
    CHECK_CONTAINS(check_message(), "byte ");
    stream.bytes[5000] ^= 4;
    stream.len--;
    source = source_of(&stream);
    CHECK_STATUS(SLEDSTORE_CORRUPTION, sledstore_load(copy, &source, &error));
    CHECK_CONTAINS(check_message(), "ends too early");
    stream.len = 0;
    source = source_of(&stream);
    CHECK_STATUS(SLEDSTORE_CORRUPTION, sledstore_load(copy, &source, &error));
    CHECK_COUNT(copy, 0);
    const char *text = "VERSION=3\nformat=print\ndatabase=__x\nHEADER=END\nDATA=END\n";
    stream.len = strlen(text);
    memcpy(stream.bytes, text, stream.len);
    source = source_of(&stream);
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED, sledstore_load(copy, &source, &error));
    free(stream.bytes);
    check_close(copy);
    check_close(store);
}

static int32_t load_more(void *ctx, const sledstore_progress *progress)
{
    (void)progress;
    struct stream stream = stream_new();
    sledstore_read_callback source = source_of(&stream);
    CHECK_STATUS(SLEDSTORE_BUSY, sledstore_load((sledstore *)ctx, &source, &error));
    CHECK_STATUS(SLEDSTORE_BUSY, sledstore_load_fd((sledstore *)ctx, 0, &error));
    free(stream.bytes);
    return 0;
}

TEST(load_is_refused_while_the_store_is_restored)
{
    sledstore *store = open_filled();
    check_close(store);
    sledstore *copy = check_open("copy");
    sledstore_progress_callback callback = SLEDSTORE_PROGRESS_CALLBACK_INIT;
    callback.ctx = copy;
    callback.progress = load_more;
    CHECK_NUMBER(SLEDSTORE_OK, sledstore_restore(copy, check_path("store"), 0, &callback, NULL));
    check_loaded(copy);
    check_close(copy);
}

static int32_t drop_a_keyspace(void *ctx, const void *data, size_t len)
{
    (void)data, (void)len;
    CHECK(sledstore_drop_keyspace((sledstore *)ctx, TEXT("lives"), NULL) >= 0);
    return 0;
}

static int32_t overwrite_all(void *ctx, const void *data, size_t len)
{
    char key[16];
    (void)data, (void)len;
    for (int row = 0; row < ROWS; row++) {
        snprintf(key, sizeof key, "%08d", row);
        check_put((sledstore *)ctx, key, "newer value");
    }
    CHECK_NUMBER(SLEDSTORE_OK, sledstore_compact((sledstore *)ctx, NULL));
    return 0;
}

TEST(dump_ends_when_what_it_shows_is_gone)
{
    sledstore *store = open_filled();
    sledstore_write_callback sink = SLEDSTORE_WRITE_CALLBACK_INIT;
    sink.ctx = store;
    sink.write = drop_a_keyspace;
    CHECK(sledstore_dump(store, SLEDSTORE_DUMP_PRINT, &sink, NULL) == SLEDSTORE_KEYSPACE_DROPPED);
    check_close(store);
    sledstore_open_options options = SLEDSTORE_OPEN_OPTIONS_INIT;
    options.snapshot_memory = 1000;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_open(check_path("store"), &options, &store, &error));
    sink.ctx = store;
    sink.write = overwrite_all;
    CHECK(sledstore_dump(store, SLEDSTORE_DUMP_PRINT, &sink, NULL) == SLEDSTORE_CAPACITY_EXCEEDED);
    check_close(store);
}

TEST(dump_and_load_refuse_bad_arguments)
{
    sledstore *store = check_open("store"), *named = check_open_tree(store, "two\nlines");
    struct stream stream = stream_new();
    sledstore_write_callback sink = sink_of(&stream);
    uint32_t text = SLEDSTORE_DUMP_PRINT;
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED, sledstore_dump(store, 0, &sink, &error));
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED, sledstore_dump(store, 4, &sink, &error));
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED, sledstore_dump(store, text, &sink, &error));
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED, sledstore_dump_fd(store, 4, 1, &error));
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED, sledstore_dump_fd(store, text, 1, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_release(named, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_drop_keyspace(store, TEXT("two\nlines"), &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_dump(store, text, NULL, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_dump(NULL, text, &sink, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_dump_fd(store, text, -1, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_dump_fd(NULL, text, 1, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_load(store, NULL, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_load_fd(store, -1, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_load_fd(NULL, 0, &error));
    stream.destroyed = 0;
    sink.write = NULL;
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_dump(store, text, &sink, &error));
    CHECK_NUMBER(1, stream.destroyed);
    sink.struct_size = 3;
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_dump(store, text, &sink, &error));
    sledstore_read_callback source = source_of(&stream);
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_load(NULL, &source, &error));
    CHECK_STATUS(SLEDSTORE_WRONG_HANDLE,
                 sledstore_load((const sledstore *)&stream, &source, &error));
    source.read = NULL;
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_load(store, &source, &error));
    CHECK_NUMBER(3, stream.destroyed);
    struct {
        sledstore_read_callback known;
        void *unknown;
    } newer = {SLEDSTORE_READ_CALLBACK_INIT, &stream};
    newer.known.struct_size = sizeof newer;
    newer.known.read = give;
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED, sledstore_load(store, &newer.known, &error));
    CHECK_NUMBER(0, stream.calls);
    free(stream.bytes);
    check_close(store);
    CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_dump_fd(store, text, 1, &error));
    CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_load_fd(store, 0, &error));
    sledstore_open_options options = SLEDSTORE_OPEN_OPTIONS_INIT;
    options.flags = SLEDSTORE_OPEN_READ_ONLY;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_open(check_path("store"), &options, &store, &error));
    CHECK_STATUS(SLEDSTORE_READ_ONLY, sledstore_load_fd(store, 0, &error));
    check_close(store);
}

TEST(dump_and_load_whose_callbacks_fork_are_made_by_the_parent_only)
{
    sledstore *store = open_filled(), *copy = check_open("copy");
    struct stream stream = stream_new();
    sledstore_write_callback sink = sink_of(&stream);
    stream.forks = true;
    int32_t status = sledstore_dump(store, SLEDSTORE_DUMP_BINARY, &sink, NULL);
    if (stream.child == 0) {
        _exit(status == SLEDSTORE_FORKED && stream.destroyed == 0 ? 10 : 11);
    }
    CHECK_NUMBER(10, check_wait_for((int)stream.child));
    CHECK(status == SLEDSTORE_OK);
    CHECK_NUMBER(1, stream.destroyed);
    stream.child = -1;
    sledstore_read_callback source = source_of(&stream);
    status = sledstore_load(copy, &source, NULL);
    if (stream.child == 0) {
        _exit(status == SLEDSTORE_FORKED && stream.destroyed == 0 ? 10 : 11);
    }
    CHECK_NUMBER(10, check_wait_for((int)stream.child));
    CHECK(status == SLEDSTORE_OK);
    check_loaded(copy);
    free(stream.bytes);
    check_close(copy);
    check_close(store);
}
