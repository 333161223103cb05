/* Watches: every change of a prefix, in order, whatever the watch does. */
#define _XOPEN_SOURCE 700 /* poll */

#include "check.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>

enum { MINUTE = 60000 };

static sledstore_watch *new_watch(const sledstore *store, const char *prefix)
{
    sledstore_watch *watch = NULL;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_watch_new(store, TEXT(prefix), NULL, &watch, &error));
    CHECK(watch != NULL);
    return watch;
}

static void free_watch(sledstore_watch *watch)
{
    CHECK_STATUS(SLEDSTORE_OK, sledstore_watch_free(watch));
}

/* The next event, which has to be there within a minute. */
static sledstore_event next(sledstore_watch *watch)
{
    sledstore_event event;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_watch_next(watch, MINUTE, &event, &error));
    return event;
}

/* The next event has to be this one; value NULL: it has none. */
static uint64_t expect(sledstore_watch *watch, uint32_t kind, const char *key, const char *value)
{
    sledstore_event event = next(watch);
    CHECK_NUMBER(kind, event.kind);
    CHECK_BYTES(TEXT(key), event.key.data, event.key.len);
    CHECK_NUMBER(0, event.lost);
    if (value == NULL) {
        CHECK(event.value.data == NULL && event.value.len == 0);
    } else {
        CHECK_BYTES(TEXT(value), event.value.data, event.value.len);
    }
    return event.sequence;
}

static void expect_nothing(sledstore_watch *watch)
{
    sledstore_event event;
    static const sledstore_event zero;
    memset(&event, 0xa5, sizeof event);
    CHECK_STATUS(SLEDSTORE_NO_EVENT, sledstore_watch_next(watch, 0, &event, &error));
    CHECK(memcmp(&event, &zero, sizeof event) == 0);
}

static uint64_t sequence(const sledstore *store)
{
    uint64_t number = 0;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_sequence(store, &number, &error));
    return number;
}

TEST(watch_tells_of_each_change_of_its_prefix_as_what_it_is)
{
    sledstore *store = check_open("store"), *words = check_open_tree(store, "words");
    check_put(store, "user:0", "before");
    sledstore_watch *watch = new_watch(store, "user:"), *all = new_watch(words, "");
    check_put(store, "user:1", "Ada");
    check_put(store, "user:1", "Eve");
    check_put(store, "other", "not told");
    check_put(words, "user:1", "of another keyspace");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_delete(store, TEXT("user:1"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_delete(store, TEXT("user:1"), &error));
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_put_with_ttl(store, TEXT("user:2"), TEXT("Bob"), 1, &error));
    while (sledstore_contains(store, TEXT("user:2"), NULL) == SLEDSTORE_OK) {
        check_pause();
    }
    CHECK_STATUS(SLEDSTORE_OK, sledstore_purge_expired(store, &(uint64_t){0}, &error));
    uint64_t first = expect(watch, SLEDSTORE_EVENT_INSERT, "user:1", "Ada");
    CHECK_NUMBER(first + 1, expect(watch, SLEDSTORE_EVENT_UPDATE, "user:1", "Eve"));
    CHECK_NUMBER(first + 4, expect(watch, SLEDSTORE_EVENT_REMOVE, "user:1", NULL));
    sledstore_event lives = next(watch);
    CHECK_NUMBER(SLEDSTORE_EVENT_INSERT, lives.kind);
    CHECK(lives.expires_at_ms > 0 && lives.ends_commit == 1);
    CHECK_NUMBER(sequence(store), expect(watch, SLEDSTORE_EVENT_EXPIRE, "user:2", NULL));
    expect_nothing(watch);
    expect(all, SLEDSTORE_EVENT_INSERT, "user:1", "of another keyspace");
    expect_nothing(all);
    free_watch(watch);
    free_watch(all);
    check_close(store);
}

TEST(events_of_a_batch_come_together)
{
    sledstore *store = check_open("store");
    sledstore_watch *watch = new_watch(store, "");
    sledstore_batch *batch;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_new(&batch, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_put(batch, NULL, TEXT("a"), TEXT("1"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_put(batch, NULL, TEXT("b"), TEXT(""), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_apply(store, batch, 0, &error));
    check_put(store, "c", "2");
    sledstore_event a = next(watch), b = next(watch), c = next(watch);
    CHECK(a.sequence == b.sequence && b.sequence + 1 == c.sequence);
    CHECK(a.ends_commit == 0 && b.ends_commit == 1 && c.ends_commit == 1);
    CHECK(b.value.data != NULL && b.value.len == 0); /* an empty value is a value */
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_free(batch));
    free_watch(watch);
    check_close(store);
}

TEST(watch_that_does_not_read_is_told_how_much_it_has_lost)
{
    sledstore *store = check_open("store");
    sledstore_watch_options options = SLEDSTORE_WATCH_OPTIONS_INIT;
    sledstore_watch *few, *small;
    options.max_events = 2;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_watch_new(store, NULL, 0, &options, &few, &error));
    options.max_events = 0;
    options.max_bytes = 5;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_watch_new(store, NULL, 0, &options, &small, &error));
    for (int row = 0; row < 1000; row++) {
        check_put(store, "a", "1");
    }
    sledstore_watch *const watches[] = {few, small};
    for (int at = 0; at < 2; at++) {
        expect(watches[at], SLEDSTORE_EVENT_INSERT, "a", "1");
        expect(watches[at], SLEDSTORE_EVENT_UPDATE, "a", "1");
        sledstore_event lost = next(watches[at]);
        CHECK_NUMBER(SLEDSTORE_EVENT_LOST, lost.kind);
        CHECK_NUMBER(998, lost.lost);
        CHECK_NUMBER(sequence(store), lost.sequence);
        CHECK(lost.key.data == NULL && lost.value.data == NULL && lost.expires_at_ms == 0);
    }
    check_put(store, "b", "1");
    expect(few, SLEDSTORE_EVENT_INSERT, "b", "1");
    free_watch(few);
    free_watch(small);
    check_close(store);
}

/* ---- waiting ----------------------------------------------------------------------------- */

struct waiter {
    sledstore_watch *watch;
    pthread_t thread;
    int32_t status;
};

static void *wait_for_it(void *ctx)
{
    struct waiter *waiter = ctx;
    sledstore_event event;
    do { /* busy: it has met the other thread, which only looks whether it waits */
        waiter->status = sledstore_watch_next(waiter->watch, SLEDSTORE_WAIT_FOREVER, &event, NULL);
    } while (waiter->status == SLEDSTORE_BUSY);
    return NULL;
}

/* Returns when the thread is in its call: then the watch is busy. */
static void start(struct waiter *waiter, sledstore_watch *watch)
{
    sledstore_event event;
    waiter->watch = watch;
    CHECK(pthread_create(&waiter->thread, NULL, wait_for_it, waiter) == 0);
    while (CHECK_ONE_OF(sledstore_watch_next(watch, 0, &event, &error), SLEDSTORE_NO_EVENT,
                        SLEDSTORE_BUSY)
           != SLEDSTORE_BUSY) {
        check_pause();
    }
}

static int32_t end_waiter(struct waiter *waiter)
{
    CHECK(pthread_join(waiter->thread, NULL) == 0);
    return waiter->status;
}

TEST(event_wakes_the_thread_that_waits)
{
    sledstore *store = check_open("store");
    struct waiter waiter;
    start(&waiter, new_watch(store, ""));
    check_put(store, "a", "1");
    CHECK_NUMBER(SLEDSTORE_OK, end_waiter(&waiter));
    free_watch(waiter.watch);
    check_close(store);
}

TEST(freeing_a_watch_wakes_the_thread_that_waits)
{
    sledstore *store = check_open("store");
    struct waiter waiter;
    start(&waiter, new_watch(store, ""));
    free_watch(waiter.watch);
    CHECK(end_waiter(&waiter) == SLEDSTORE_CLOSED);
    CHECK_NUMBER(0, check_live(SLEDSTORE_KIND_WATCH));
    check_close(store);
}

TEST(closing_the_store_is_not_held_up_and_wakes_the_thread_that_waits)
{
    sledstore *store = check_open("store");
    sledstore_watch *unread = new_watch(store, "");
    sledstore_event event;
    struct waiter waiter;
    check_put(store, "a", "1");
    start(&waiter, new_watch(store, "never"));
    check_close(store);
    CHECK(end_waiter(&waiter) == SLEDSTORE_CLOSED);
    expect(unread, SLEDSTORE_EVENT_INSERT, "a", "1"); /* it had come before */
    CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_watch_next(unread, 0, &event, &error));
    CHECK_CONTAINS(check_message(), "the store was closed");
    free_watch(unread);
    free_watch(waiter.watch);
    store = check_open("store"); /* the directory is free */
    check_close(store);
}

TEST(releasing_the_last_handle_ends_a_watch_and_closes_the_store)
{
    sledstore *store = check_open("store");
    sledstore_watch *watch = new_watch(store, "");
    sledstore_event event;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_release(store, &error));
    CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_watch_next(watch, MINUTE, &event, &error));
    store = check_open("store");
    check_close(store);
    free_watch(watch);
}

TEST(dropping_the_keyspace_ends_its_watches)
{
    sledstore *store = check_open("store"), *words = check_open_tree(store, "words");
    sledstore_watch *watch = new_watch(words, ""), *stays = new_watch(store, "");
    sledstore_event event;
    check_put(words, "a", "1");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_drop_keyspace(store, TEXT("words"), &error));
    expect(watch, SLEDSTORE_EVENT_INSERT, "a", "1");
    CHECK_STATUS(SLEDSTORE_KEYSPACE_DROPPED, sledstore_watch_next(watch, MINUTE, &event, &error));
    sledstore_watch *none = (sledstore_watch *)8;
    CHECK_STATUS(SLEDSTORE_KEYSPACE_DROPPED,
                 sledstore_watch_new(words, NULL, 0, NULL, &none, &error));
    CHECK(none == NULL);
    check_put(store, "b", "1");
    expect(stays, SLEDSTORE_EVENT_INSERT, "b", "1");
    free_watch(watch);
    free_watch(stays);
    check_close(store);
}

/* ---- the descriptor ---------------------------------------------------------------------- */

static int is_readable(int fd)
{
    struct pollfd one = {fd, POLLIN, 0};
    int ready = poll(&one, 1, 0);
    CHECK(ready >= 0 && (one.revents & ~POLLIN) == 0);
    return ready;
}

static int32_t fd_of(const sledstore_watch *watch)
{
    int32_t fd = -1;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_watch_fd(watch, &fd, &error));
    CHECK(fd >= 0);
    return fd;
}

TEST(descriptor_is_readable_while_there_is_something_to_tell)
{
    sledstore *store = check_open("store");
    sledstore_watch *watch = new_watch(store, "");
    sledstore_event event;
    int32_t fd = fd_of(watch);
    CHECK(fd == fd_of(watch));
    CHECK(!is_readable(fd));
    check_put(store, "a", "1");
    check_put(store, "b", "1");
    CHECK(is_readable(fd));
    next(watch);
    CHECK(is_readable(fd));
    next(watch);
    CHECK(!is_readable(fd));
    check_close(store);
    CHECK(is_readable(fd)); /* the end is something to tell */
    CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_watch_next(watch, 0, &event, &error));
    CHECK(is_readable(fd));
    free_watch(watch);
}

TEST(descriptor_that_cannot_be_made_is_told_and_harms_nothing)
{
    sledstore *store = check_open("store");
    sledstore_watch *watch = new_watch(store, "");
    struct rlimit limit, before;
    int32_t fd = 77;
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    limit = before;
    limit.rlim_cur = 3; /* less than are open */
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK_STATUS(SLEDSTORE_IO, sledstore_watch_fd(watch, &fd, &error));
    CHECK(fd == -1);
    CHECK(check_os_code() != 0);
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    check_put(store, "a", "1");
    CHECK(is_readable(fd_of(watch)));
    expect(watch, SLEDSTORE_EVENT_INSERT, "a", "1");
    free_watch(watch);
    check_close(store);
}

/* ---- mistakes ---------------------------------------------------------------------------- */

TEST(watch_functions_refuse_bad_arguments)
{
    sledstore *store = check_open("store");
    sledstore_watch *watch = new_watch(store, ""), *none = (sledstore_watch *)8;
    struct {
        sledstore_watch_options options;
        uint64_t unknown;
    } longer = {SLEDSTORE_WATCH_OPTIONS_INIT, 1};
    sledstore_watch_options options = SLEDSTORE_WATCH_OPTIONS_INIT;
    sledstore_event event;
    int32_t fd;
    uint64_t number = 7;
    const int32_t invalid = SLEDSTORE_INVALID_ARGUMENT, wrong = SLEDSTORE_WRONG_HANDLE;
    CHECK_STATUS(invalid, sledstore_watch_new(store, NULL, 0, NULL, NULL, &error));
    CHECK_STATUS(invalid, sledstore_watch_new(store, NULL, 1, NULL, &none, &error));
    CHECK(none == NULL);
    CHECK_STATUS(invalid, sledstore_watch_new(NULL, NULL, 0, NULL, &none, &error));
    longer.options.struct_size = sizeof longer;
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED,
                 sledstore_watch_new(store, NULL, 0, &longer.options, &none, &error));
    options.struct_size = 8;
    CHECK_STATUS(invalid, sledstore_watch_new(store, NULL, 0, &options, &none, &error));
    CHECK_STATUS(wrong, sledstore_watch_new((sledstore *)watch, NULL, 0, NULL, &none, &error));
    CHECK_STATUS(invalid, sledstore_watch_next(watch, 0, NULL, &error));
    CHECK_STATUS(invalid, sledstore_watch_next(NULL, 0, &event, &error));
    CHECK_STATUS(wrong, sledstore_watch_next((sledstore_watch *)store, 0, &event, &error));
    CHECK_STATUS(invalid, sledstore_watch_fd(watch, NULL, &error));
    CHECK_STATUS(invalid, sledstore_watch_fd(NULL, &fd, &error));
    CHECK_STATUS(wrong, sledstore_watch_fd((sledstore_watch *)store, &fd, &error));
    CHECK(fd == -1);
    CHECK(sledstore_watch_free((sledstore_watch *)store) == wrong);
    CHECK(sledstore_watch_free(NULL) == SLEDSTORE_OK);
    CHECK_STATUS(invalid, sledstore_sequence(store, NULL, &error));
    CHECK_STATUS(invalid, sledstore_sequence(NULL, &number, &error));
    CHECK_NUMBER(0, number);
    CHECK_STATUS(wrong, sledstore_sequence((sledstore *)watch, &number, &error));
    free_watch(watch);
    check_close(store);
}

TEST(freed_watch_and_closed_store_say_closed)
{
    sledstore *store = check_open("store");
    sledstore_watch *watch = new_watch(store, ""), *none = (sledstore_watch *)8;
    sledstore_event event;
    int32_t fd = 7;
    uint64_t number;
    const int32_t closed = SLEDSTORE_CLOSED;
    CHECK_NUMBER(1, check_live(SLEDSTORE_KIND_WATCH));
    free_watch(watch);
    CHECK_NUMBER(0, check_live(SLEDSTORE_KIND_WATCH));
    CHECK(sledstore_watch_free(watch) == closed);
    CHECK_STATUS(closed, sledstore_watch_next(watch, 0, &event, &error));
    CHECK_STATUS(closed, sledstore_watch_fd(watch, &fd, &error));
    CHECK(fd == -1);
    check_close(store);
    CHECK_STATUS(closed, sledstore_watch_new(store, NULL, 0, NULL, &none, &error));
    CHECK(none == NULL);
    CHECK_STATUS(closed, sledstore_sequence(store, &number, &error));
}

TEST(deleted_range_and_cleared_keyspace_are_one_event_of_each_watch_they_concern)
{
    sledstore *store = check_open("store");
    sledstore_watch *watch = new_watch(store, "b"), *beside = new_watch(store, "c");
    sledstore_event event;
    check_put(store, "b1", "1");
    expect(watch, SLEDSTORE_EVENT_INSERT, "b1", "1");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_delete_range(store, TEXT("a"), TEXT("b2"), &error));
    expect(watch, SLEDSTORE_EVENT_REMOVE_RANGE, "a", "b2");
    expect_nothing(watch);
    expect_nothing(beside);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_clear(store, &error));
    expect(watch, SLEDSTORE_EVENT_REMOVE_RANGE, "", NULL);
    event = next(beside);
    CHECK_NUMBER(SLEDSTORE_EVENT_REMOVE_RANGE, event.kind);
    CHECK(event.ends_commit == 1 && event.sequence == sequence(store));
    check_put(store, "b1", "2");
    expect(watch, SLEDSTORE_EVENT_INSERT, "b1", "2");
    free_watch(watch);
    free_watch(beside);
    check_close(store);
}

TEST(renaming_the_keyspace_ends_its_watches)
{
    sledstore *store = check_open("store"), *words = check_open_tree(store, "words");
    sledstore_watch *watch = new_watch(words, "");
    sledstore_event event;
    check_put(words, "a", "1");
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_rename_keyspace(store, TEXT("words"), TEXT("terms"), &error));
    expect(watch, SLEDSTORE_EVENT_INSERT, "a", "1");
    CHECK_STATUS(SLEDSTORE_KEYSPACE_DROPPED, sledstore_watch_next(watch, MINUTE, &event, &error));
    free_watch(watch);
    check_close(store);
}
