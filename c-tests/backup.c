/* Backups: copies of whole stores while they are in use. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROWS = 3000 };

struct watcher {
    sledstore *store; /* what the callback uses, or NULL */
    int cancel_after; /* calls; -1: never */
    int calls, destroyed;
    sledstore_progress last; /* what the last call was told */
    pid_t child;             /* what the callback has forked; -1: nothing */
    bool forks;
};

static int32_t watch(void *ctx, const sledstore_progress *progress)
{
    struct watcher *watcher = ctx;
    CHECK_NUMBER(sizeof *progress, progress->struct_size);
    CHECK(progress->rows_done <= progress->rows_total
          && progress->bytes_done <= progress->bytes_total);
    watcher->last = *progress;
    if (watcher->store != NULL) {
        check_put(watcher->store, "from the callback", "value");
        CHECK_STATUS(SLEDSTORE_REENTRANT, sledstore_close(watcher->store, &error));
    }
    if (watcher->forks && watcher->child == -1) {
        watcher->child = fork();
        if (watcher->child == 0) return 0;
    }
    return watcher->calls++ == watcher->cancel_after ? 7 : 0;
}

static void destroy(void *ctx)
{
    ((struct watcher *)ctx)->destroyed++;
}

static sledstore_progress_callback callback_of(struct watcher *watcher)
{
    sledstore_progress_callback callback = SLEDSTORE_PROGRESS_CALLBACK_INIT;
    memset(watcher, 0, sizeof *watcher);
    watcher->cancel_after = -1;
    watcher->child = -1;
    callback.ctx = watcher;
    callback.progress = watch;
    callback.destroy = destroy;
    return callback;
}

static sledstore *open_filled(const char *name)
{
    sledstore *store = check_open(name), *lives = check_open_tree(store, "lives");
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

static void check_copy(const char *name)
{
    sledstore *copy = check_open(name), *lives = check_open_tree(copy, "lives");
    uint64_t left = 0;
    CHECK_COUNT(copy, ROWS);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_ttl(lives, TEXT("mortal"), &left, &error));
    CHECK(left > 0 && left <= 3600000);
    check_close(copy);
}

static bool is_there(const char *name)
{
    struct stat found;
    return lstat(check_path(name), &found) == 0;
}

TEST(backup_is_a_store_with_everything)
{
    sledstore *store = open_filled("store");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_backup(store, check_path("copy"), NULL, &error));
    check_put(store, "later", "value");
    check_close(store);
    CHECK(!is_there("copy.sledstore-incomplete"));
    check_copy("copy");
}

TEST(backup_tells_of_its_progress_and_its_callback_may_use_the_store)
{
    sledstore *store = open_filled("store");
    struct watcher watcher;
    sledstore_progress_callback callback = callback_of(&watcher);
    watcher.store = store;
    CHECK_NUMBER(SLEDSTORE_OK, sledstore_backup(store, check_path("copy"), &callback, NULL));
    CHECK(watcher.calls > 6);
    CHECK_NUMBER(1, watcher.destroyed);
    CHECK_NUMBER(ROWS + 1, watcher.last.rows_done);
    CHECK_NUMBER(ROWS + 1, watcher.last.rows_total);
    CHECK_NUMBER(ROWS * 13 + 11, watcher.last.bytes_done);
    CHECK_NUMBER(ROWS * 13 + 11, watcher.last.bytes_total);
    CHECK_VALUE(store, "from the callback", "value");
    check_close(store);
    check_copy("copy");
}

TEST(backup_that_is_cancelled_leaves_nothing)
{
    sledstore *store = open_filled("store");
    for (int after = 0; after < 6; after++) {
        struct watcher watcher;
        sledstore_progress_callback callback = callback_of(&watcher);
        watcher.cancel_after = after;
        CHECK_STATUS(SLEDSTORE_CANCELLED,
                     sledstore_backup(store, check_path("copy"), &callback, &error));
        CHECK_NUMBER(1, watcher.destroyed);
        CHECK_NUMBER(after + 1, watcher.calls);
        CHECK(!is_there("copy") && !is_there("copy.sledstore-incomplete"));
    }
    check_close(store);
}

TEST(backup_refuses_a_destination_that_exists)
{
    sledstore *store = open_filled("store");
    CHECK_NUMBER(0, mkdir(check_path("copy"), 0700));
    CHECK_STATUS(SLEDSTORE_ALREADY_EXISTS,
                 sledstore_backup(store, check_path("copy"), NULL, &error));
    CHECK_CONTAINS(check_message(), "copy");
    CHECK_NUMBER(0, rmdir(check_path("copy"))); /* it is as empty as it was */
    CHECK_STATUS(SLEDSTORE_OK, sledstore_backup(store, check_path("copy"), NULL, &error));
    CHECK_STATUS(SLEDSTORE_ALREADY_EXISTS,
                 sledstore_backup(store, check_path("copy"), NULL, &error));
    check_close(store);
    check_copy("copy");
}

static int32_t back_up_again(void *ctx, const sledstore_progress *progress)
{
    (void)progress;
    CHECK_STATUS(SLEDSTORE_LOCKED,
                 sledstore_backup((sledstore *)ctx, check_path("copy"), NULL, &error));
    return 0;
}

static int32_t drop_a_keyspace(void *ctx, const sledstore_progress *progress)
{
    if (progress->rows_done > 0) {
        sledstore_drop_keyspace((sledstore *)ctx, TEXT("lives"), NULL);
    }
    return 0;
}

TEST(backup_refuses_another_one_to_the_same_destination)
{
    sledstore *store = open_filled("store");
    sledstore_progress_callback callback = SLEDSTORE_PROGRESS_CALLBACK_INIT;
    callback.ctx = store;
    callback.progress = back_up_again;
    CHECK_NUMBER(SLEDSTORE_OK, sledstore_backup(store, check_path("copy"), &callback, NULL));
    check_close(store);
    check_copy("copy");
}

TEST(backup_ends_when_a_keyspace_is_dropped)
{
    sledstore *store = open_filled("store");
    sledstore_progress_callback callback = SLEDSTORE_PROGRESS_CALLBACK_INIT;
    callback.ctx = store;
    callback.progress = drop_a_keyspace;
    CHECK_STATUS(SLEDSTORE_KEYSPACE_DROPPED,
                 sledstore_backup(store, check_path("copy"), &callback, &error));
    CHECK(!is_there("copy") && !is_there("copy.sledstore-incomplete"));
    check_close(store);
}

static int32_t overwrite_all(void *ctx, const sledstore_progress *progress)
{
    (void)progress;
    char key[16];
    for (int row = 0; row < ROWS; row++) {
        snprintf(key, sizeof key, "%08d", row);
        check_put((sledstore *)ctx, key, "newer value");
    }
    CHECK_NUMBER(SLEDSTORE_OK,
                 sledstore_compact((sledstore *)ctx, NULL)); /* over the settled rows */
    return 0;
}

TEST(backup_ends_when_its_moment_takes_too_much_memory)
{
    sledstore_open_options options = SLEDSTORE_OPEN_OPTIONS_INIT;
    sledstore *store = open_filled("store");
    check_close(store);
    options.snapshot_memory = 1000;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_open(check_path("store"), &options, &store, &error));
    sledstore_progress_callback callback = SLEDSTORE_PROGRESS_CALLBACK_INIT;
    callback.ctx = store;
    callback.progress = overwrite_all;
    CHECK(sledstore_backup(store, check_path("copy"), &callback, NULL)
          == SLEDSTORE_CAPACITY_EXCEEDED);
    CHECK(!is_there("copy") && !is_there("copy.sledstore-incomplete"));
    check_close(store);
}

struct nested {
    sledstore *store;
    int depth, deepest;
    int32_t refused;
};

static int32_t nest(void *ctx, const sledstore_progress *progress)
{
    struct nested *nested = ctx;
    char name[32];
    (void)progress;
    if (nested->refused != 0) {
        return 0;
    }
    sledstore_progress_callback callback = SLEDSTORE_PROGRESS_CALLBACK_INIT;
    callback.ctx = nested;
    callback.progress = nest;
    nested->depth++;
    snprintf(name, sizeof name, "copy %d", nested->depth);
    int32_t status = sledstore_backup(nested->store, check_path(name), &callback, NULL);
    if (status == SLEDSTORE_REENTRANT) {
        nested->refused = status;
        nested->deepest = nested->depth;
    }
    return 0;
}

TEST(backups_in_callbacks_of_each_other_are_refused_at_some_depth)
{
    sledstore *store = check_open("store");
    check_put(store, "key", "value");
    struct nested nested = {store, 0, 0, 0};
    sledstore_progress_callback callback = SLEDSTORE_PROGRESS_CALLBACK_INIT;
    callback.ctx = &nested;
    callback.progress = nest;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_backup(store, check_path("copy"), &callback, &error));
    CHECK_NUMBER(12, nested.deepest);
    check_close(store);
}

TEST(backup_refuses_bad_arguments)
{
    sledstore *store = open_filled("store");
    struct watcher watcher;
    sledstore_progress_callback callback = callback_of(&watcher);
    char path[4096];
    snprintf(path, sizeof path, "%s", check_path("copy"));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_backup(store, NULL, NULL, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_backup(store, "", NULL, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_backup(store, check_path("store/copy"), NULL, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_backup(NULL, path, &callback, &error));
    CHECK_NUMBER(1, watcher.destroyed);
    callback.progress = NULL;
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_backup(store, path, &callback, &error));
    CHECK_NUMBER(2, watcher.destroyed);
    callback.progress = watch;
    callback.struct_size = 3;
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_backup(store, path, &callback, &error));
    struct {
        sledstore_progress_callback known;
        void *unknown;
    } newer = {SLEDSTORE_PROGRESS_CALLBACK_INIT, &watcher};
    newer.known.progress = watch;
    newer.known.struct_size = sizeof newer;
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED, sledstore_backup(store, path, &newer.known, &error));
    CHECK_STATUS(SLEDSTORE_WRONG_HANDLE,
                 sledstore_backup((const sledstore *)&watcher, path, NULL, &error));
    CHECK_NUMBER(2, watcher.destroyed);
    CHECK_NUMBER(0, watcher.calls);
    CHECK(!is_there("copy"));

    CHECK_NUMBER(0, mkdir(check_path("copy.sledstore-incomplete"), 0700));
    CHECK_NUMBER(0, mkdir(check_path("copy.sledstore-incomplete/mine"), 0700));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_backup(store, path, NULL, &error));
    CHECK(is_there("copy.sledstore-incomplete/mine"));
    CHECK_STATUS(SLEDSTORE_IO, sledstore_backup(store, "/proc/none/copy", NULL, &error));
    check_close(store);
    CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_backup(store, path, NULL, &error));
}

TEST(backup_whose_callback_forks_is_made_by_the_parent_only)
{
    sledstore *store = open_filled("store");
    struct watcher watcher;
    sledstore_progress_callback callback = callback_of(&watcher);
    watcher.forks = true;
    sledstore_error *why = NULL;
    int32_t status = sledstore_backup(store, check_path("copy"), &callback, &why);
    if (watcher.child == 0) {
        bool is_told = sledstore_error_status(why) == SLEDSTORE_FORKED;
        _exit(status == SLEDSTORE_FORKED && is_told && watcher.destroyed == 0 ? 10 : 11);
    }
    CHECK(watcher.child > 0);
    CHECK_NUMBER(10, check_wait_for((int)watcher.child));
    CHECK(status == SLEDSTORE_OK);
    CHECK_NUMBER(1, watcher.destroyed);
    check_close(store);
    check_copy("copy");
}
