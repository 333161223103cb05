/* Restores: bringing the rows of another store into an open one. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { ROWS = 3000 };

struct watcher {
    sledstore *store;
    char source[4096];
    bool cancels_early, cancels;
    int destroyed;
    uint64_t done;
};

static int32_t watch(void *ctx, const sledstore_progress *progress)
{
    struct watcher *watcher = ctx;
    watcher->done = progress->rows_done;
    if (watcher->store != NULL) {
        CHECK_STATUS(SLEDSTORE_BUSY,
                     sledstore_restore(watcher->store, watcher->source, 0, NULL, &error));
    }
    return watcher->cancels_early || (watcher->cancels && progress->rows_done > 0);
}

static void destroy(void *ctx)
{
    ((struct watcher *)ctx)->destroyed++;
}

static sledstore_progress_callback callback_of(struct watcher *watcher)
{
    sledstore_progress_callback callback = SLEDSTORE_PROGRESS_CALLBACK_INIT;
    callback.ctx = watcher;
    callback.progress = watch;
    callback.destroy = destroy;
    return callback;
}

/* The path of a store with ROWS rows and a keyspace, closed. */
static void make_source(char path[4096])
{
    sledstore *store = check_open("source"), *lives = check_open_tree(store, "lives");
    char key[16];
    for (int row = 0; row < ROWS; row++) {
        snprintf(key, sizeof key, "%08d", row);
        check_put(store, key, "value");
    }
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_put_with_ttl(lives, TEXT("mortal"), TEXT("value"), 3600000, &error));
    check_close(store);
    snprintf(path, 4096, "%s", check_path("source"));
}

static sledstore *open_target(void)
{
    sledstore *store = check_open("store"), *own = check_open_tree(store, "own");
    check_put(store, "own", "own");
    check_put(store, "00000001", "own");
    check_put(own, "own", "own");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_release(own, &error));
    return store;
}

TEST(restore_replaces_everything)
{
    char source[4096];
    make_source(source);
    sledstore *store = open_target(), *own = check_open_tree(store, "own");
    struct watcher watcher = {0};
    sledstore_progress_callback callback = callback_of(&watcher);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_restore(store, source, 0, &callback, &error));
    CHECK_NUMBER(ROWS + 1, watcher.done);
    CHECK_NUMBER(1, watcher.destroyed);
    CHECK_STATUS(SLEDSTORE_KEYSPACE_DROPPED, sledstore_contains(own, TEXT("own"), &error));
    check_close(store);
    store = check_open("store");
    CHECK_COUNT(store, ROWS);
    CHECK_ABSENT(store, "own");
    CHECK_VALUE(store, "00000001", "value");
    sledstore *lives = check_open_tree(store, "lives");
    uint64_t left = 0;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_ttl(lives, TEXT("mortal"), &left, &error));
    CHECK(left > 0 && left <= 3600000);
    check_close(store);
}

TEST(restore_can_merge)
{
    char source[4096];
    make_source(source);
    sledstore *store = open_target();
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_restore(store, source, SLEDSTORE_RESTORE_MERGE, NULL, &error));
    CHECK_COUNT(store, ROWS + 1);
    CHECK_VALUE(store, "own", "own");
    CHECK_VALUE(store, "00000001", "value");
    sledstore *own = check_open_tree(store, "own");
    CHECK_VALUE(own, "own", "own");
    check_close(store);
}

TEST(restore_that_is_cancelled_is_told_and_mended)
{
    char source[4096];
    make_source(source);
    sledstore *store = open_target();
    struct watcher watcher = {0};
    sledstore_progress_callback callback = callback_of(&watcher);
    watcher.cancels_early = true;
    CHECK_STATUS(SLEDSTORE_CANCELLED, sledstore_restore(store, source, 0, &callback, &error));
    CHECK_COUNT(store, 2);
    check_close(store);
    store = check_open("store"); /* nothing had changed */
    watcher.cancels_early = false;
    watcher.cancels = true;
    CHECK_STATUS(SLEDSTORE_CANCELLED, sledstore_restore(store, source, 0, &callback, &error));
    CHECK_NUMBER(2, watcher.destroyed);
    check_close(store);
    CHECK_STATUS(SLEDSTORE_CORRUPTION, sledstore_open(check_path("store"), NULL, &store, &error));
    CHECK_CONTAINS(check_message(), "restore again");
    CHECK_CONTAINS(check_message(), source);
    sledstore_open_options options = SLEDSTORE_OPEN_OPTIONS_INIT;
    options.flags = SLEDSTORE_OPEN_SALVAGE;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_open(check_path("store"), &options, &store, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_restore(store, source, 0, NULL, &error));
    check_close(store);
    store = check_open("store");
    CHECK_COUNT(store, ROWS);
    check_close(store);
}

TEST(restore_refuses_another_one_at_the_same_time)
{
    struct watcher watcher = {0};
    make_source(watcher.source);
    watcher.store = open_target();
    sledstore_progress_callback callback = callback_of(&watcher);
    CHECK_NUMBER(SLEDSTORE_OK,
                 sledstore_restore(watcher.store, watcher.source, 0, &callback, NULL));
    CHECK_COUNT(watcher.store, ROWS);
    check_close(watcher.store);
}

TEST(restore_refuses_sources_that_are_none)
{
    char source[4096];
    struct stat found;
    make_source(source);
    sledstore *store = open_target();
    CHECK_STATUS(SLEDSTORE_IO, sledstore_restore(store, check_path("none"), 0, NULL, &error));
    CHECK_NUMBER(ENOENT, check_os_code());
    CHECK(lstat(check_path("none"), &found) != 0);
    CHECK_NUMBER(0, mkdir(check_path("empty"), 0700));
    CHECK_STATUS(SLEDSTORE_IO, sledstore_restore(store, check_path("empty"), 0, NULL, &error));
    CHECK_NUMBER(ENOENT, check_os_code());
    CHECK_NUMBER(0, mkdir(check_path("damaged"), 0700));
    FILE *file = fopen(check_path("damaged/db"), "w");
    CHECK(file != NULL && fputs("this is no store", file) >= 0 && fclose(file) == 0);
    CHECK_STATUS(SLEDSTORE_CORRUPTION,
                 sledstore_restore(store, check_path("damaged"), 0, NULL, &error));
    CHECK_STATUS(SLEDSTORE_LOCKED, sledstore_restore(store, check_path("store"), 0, NULL, &error));
    sledstore *other = check_open("source");
    CHECK_STATUS(SLEDSTORE_LOCKED, sledstore_restore(store, source, 0, NULL, &error));
    check_close(other);
    CHECK_COUNT(store, 2);
    check_close(store);
}

TEST(restore_refuses_what_the_store_cannot_take)
{
    char key[500] = {1};
    sledstore *store = check_open("source");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_put(store, key, sizeof key, TEXT("value"), &error));
    check_close(store);
    sledstore_open_options options = SLEDSTORE_OPEN_OPTIONS_INIT;
    options.segment_size = 524288;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_open(check_path("store"), &options, &store, &error));
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED,
                 sledstore_restore(store, check_path("source"), 0, NULL, &error));
    CHECK_COUNT(store, 0);
    check_close(store);
    options.flags = SLEDSTORE_OPEN_READ_ONLY;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_open(check_path("store"), &options, &store, &error));
    CHECK_STATUS(SLEDSTORE_READ_ONLY,
                 sledstore_restore(store, check_path("source"), 0, NULL, &error));
    check_close(store);
}

TEST(restore_refuses_bad_arguments)
{
    char source[4096];
    make_source(source);
    sledstore *store = open_target();
    struct watcher watcher = {0};
    sledstore_progress_callback callback = callback_of(&watcher);
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_restore(store, NULL, 0, NULL, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_restore(store, "", 0, NULL, &error));
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED, sledstore_restore(store, source, 2, NULL, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_restore(NULL, source, 0, &callback, &error));
    callback.progress = NULL;
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_restore(store, source, 0, &callback, &error));
    CHECK_NUMBER(2, watcher.destroyed);
    callback.struct_size = 3;
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_restore(store, source, 0, &callback, &error));
    struct {
        sledstore_progress_callback known;
        void *unknown;
    } newer = {SLEDSTORE_PROGRESS_CALLBACK_INIT, &watcher};
    newer.known.progress = watch;
    newer.known.struct_size = sizeof newer;
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED, sledstore_restore(store, source, 0, &newer.known, &error));
    CHECK_STATUS(SLEDSTORE_WRONG_HANDLE,
                 sledstore_restore((const sledstore *)&watcher, source, 0, NULL, &error));
    CHECK_COUNT(store, 2);
    check_close(store);
    CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_restore(store, source, 0, NULL, &error));
}
