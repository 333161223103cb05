/* Processes: a directory belongs to one at a time, and a store does not survive a fork. */
#define _XOPEN_SOURCE 700 /* fork, kill */

#include "check.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- one directory, two processes -------------------------------------------------------- */

/* Says with its exit code what opening answered. */
OTHER_PROCESS(open_it)
{
    sledstore *other;
    switch (sledstore_open(path, NULL, &other, NULL)) {
    case SLEDSTORE_OK: return sledstore_close(other, NULL) == SLEDSTORE_OK ? 10 : 11;
    case SLEDSTORE_LOCKED: return 12;
    default: return 13;
    }
}

TEST(store_is_locked_for_other_processes)
{
    sledstore *store = check_open("store");
    CHECK_NUMBER(12, check_wait_for(check_start("processes::open_it", check_path("store"))));
    check_close(store);
    CHECK_NUMBER(10, check_wait_for(check_start("processes::open_it", check_path("store"))));
}

/* Opens the store, shows that with a file, and keeps it open until that file is gone. */
OTHER_PROCESS(hold_it)
{
    char sign[1280];
    sledstore *held;
    snprintf(sign, sizeof sign, "%s.held", path);
    if (sledstore_open(path, NULL, &held, NULL) != SLEDSTORE_OK
        || sledstore_put(held, TEXT("key"), TEXT("from elsewhere"), NULL) != SLEDSTORE_OK) {
        return 11;
    }
    fclose(fopen(sign, "w"));
    while (access(sign, F_OK) == 0) {
        check_pause();
    }
    return sledstore_close(held, NULL) == SLEDSTORE_OK ? 10 : 12;
}

static int start_holder(void)
{
    int holder = check_start("processes::hold_it", check_path("store"));
    while (access(check_path("store.held"), F_OK) != 0) {
        check_pause();
    }
    return holder;
}

TEST(store_of_another_process_is_locked_until_that_closes_it)
{
    sledstore_open_options options = SLEDSTORE_OPEN_OPTIONS_INIT;
    sledstore *store;
    int holder = start_holder();
    CHECK_STATUS(SLEDSTORE_LOCKED, sledstore_open(check_path("store"), NULL, &store, &error));
    CHECK(store == NULL);
    options.lock_timeout_ms = 20;
    CHECK_STATUS(SLEDSTORE_LOCKED, sledstore_open(check_path("store"), &options, &store, &error));
    CHECK(remove(check_path("store.held")) == 0);
    options.lock_timeout_ms = 600000; /* long enough for the slowest machine */
    CHECK_STATUS(SLEDSTORE_OK, sledstore_open(check_path("store"), &options, &store, &error));
    CHECK_VALUE(store, "key", "from elsewhere");
    CHECK_NUMBER(10, check_wait_for(holder));
    check_close(store);
}

TEST(lock_ends_with_the_process_that_held_it)
{
    sledstore_open_options options = SLEDSTORE_OPEN_OPTIONS_INIT;
    sledstore *store;
    int holder = start_holder();
    CHECK(kill((pid_t)holder, SIGKILL) == 0);
    CHECK(check_wait_for(holder) == -1);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_open(check_path("store"), &options, &store, &error));
    check_close(store);
}

/* ---- after a fork ------------------------------------------------------------------------ */

static struct {
    sledstore *store;
    sledstore_batch *batch;
    sledstore_iter *iter;
    sledstore_value *value;
    sledstore_watch *watch;
    sledstore_changes *changes;
    sledstore_error *error;
} inherited;

#define FORKED(call) CHECK_STATUS(SLEDSTORE_FORKED, call)

/* Everything that touches a handle or would make one. */
static void use_everything_in_the_child(void)
{
    sledstore *store;
    sledstore_batch *batch;
    sledstore_value *value;
    sledstore_iter *iter;
    sledstore_pair row;
    sledstore_watch *watch;
    sledstore_event event;
    sledstore_changes *changes;
    sledstore_change change;
    int32_t fd;
    size_t size;
    uint64_t number;
    FORKED(sledstore_open(check_path("other"), NULL, &store, &error));
    FORKED(sledstore_open_temporary(NULL, &store, &error));
    FORKED(sledstore_open_keyspace(inherited.store, TEXT("words"), 0, &store, &error));
    FORKED(sledstore_drop_keyspace(inherited.store, TEXT("words"), &error));
    FORKED(sledstore_keyspace_names(inherited.store, NULL, 0, &size, &error));
    FORKED(sledstore_get(inherited.store, TEXT("key"), &value, &error));
    FORKED(sledstore_put(inherited.store, TEXT("key"), TEXT("child"), &error));
    FORKED(sledstore_delete(inherited.store, TEXT("key"), &error));
    FORKED(sledstore_count(inherited.store, &number, &error));
    FORKED(sledstore_flush(inherited.store, &error));
    FORKED(sledstore_batch_new(&batch, &error));
    FORKED(sledstore_batch_apply(inherited.store, inherited.batch, 0, &error));
    FORKED(sledstore_iter_new(inherited.store, NULL, &iter, &error));
    FORKED(sledstore_iter_next(inherited.iter, &row, &error));
    FORKED(sledstore_watch_new(inherited.store, NULL, 0, NULL, &watch, &error));
    FORKED(sledstore_watch_next(inherited.watch, 0, &event, &error));
    FORKED(sledstore_watch_fd(inherited.watch, &fd, &error));
    FORKED(sledstore_watch_free(inherited.watch));
    FORKED(sledstore_sequence(inherited.store, &number, &error));
    FORKED(sledstore_changes_since(inherited.store, 0, &changes, NULL, &error));
    FORKED(sledstore_changes_next(inherited.changes, &change, &error));
    FORKED(sledstore_changes_free(inherited.changes));
    FORKED(sledstore_snapshot_sequence(NULL, &number, &error));
    FORKED(sledstore_live_handles(0, &size, &error));
    FORKED(sledstore_iter_free(inherited.iter));
    FORKED(sledstore_batch_free(inherited.batch));
    FORKED(sledstore_value_free(inherited.value));
    FORKED(sledstore_error_free(inherited.error));
    FORKED(sledstore_error_status(inherited.error));
    FORKED(sledstore_release(inherited.store, &error));
    FORKED(sledstore_close(inherited.store, &error));
}

static int in_the_child(void)
{
    use_everything_in_the_child();
    CHECK(sledstore_value_data(inherited.value) == NULL);
    CHECK_NUMBER(0, sledstore_value_len(inherited.value));
    CHECK(strcmp(sledstore_error_message(inherited.error), "") == 0);
    CHECK(sledstore_error_os_code(inherited.error) == 0);
    /* The error of a call that is made here says why, as every error does. */
    sledstore_error *own = NULL;
    CHECK(sledstore_flush(inherited.store, &own) == SLEDSTORE_FORKED);
    CHECK_CONTAINS(sledstore_error_message(own), "child of a fork");
    CHECK(sledstore_error_os_code(own) == 0);
    CHECK(sledstore_error_free(own) == SLEDSTORE_OK);
    /* What touches no handle works. */
    CHECK(strcmp(sledstore_version(), SLEDSTORE_VERSION_STRING) == 0);
    CHECK(strcmp(sledstore_status_name(SLEDSTORE_FORKED), "SLEDSTORE_FORKED") == 0);
    return 10;
}

TEST(forked_child_is_told_and_the_parent_is_not_disturbed)
{
    inherited.store = check_open("store");
    check_put(inherited.store, "key", "value");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_new(&inherited.batch, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_new(inherited.store, NULL, &inherited.iter, &error));
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_get(inherited.store, TEXT("key"), &inherited.value, &error));
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_watch_new(inherited.store, NULL, 0, NULL, &inherited.watch, &error));
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_changes_since(inherited.store, 0, &inherited.changes, NULL, &error));
    CHECK(sledstore_flush(NULL, &inherited.error) == SLEDSTORE_INVALID_ARGUMENT);

    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        _exit(in_the_child());
    }
    CHECK_NUMBER(10, check_wait_for((int)child));

    CHECK_VALUE(inherited.store, "key", "value");
    check_put(inherited.store, "after", "fork");
    sledstore_event event;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_watch_next(inherited.watch, 0, &event, &error));
    CHECK_BYTES(TEXT("fork"), event.value.data, event.value.len);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_watch_free(inherited.watch));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_changes_free(inherited.changes));
    CHECK_BYTES(TEXT("value"), sledstore_value_data(inherited.value),
                sledstore_value_len(inherited.value));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_error_free(inherited.error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_value_free(inherited.value));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_free(inherited.iter));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_free(inherited.batch));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_flush(inherited.store, &error));
    check_close(inherited.store);
    inherited.store = check_open("store");
    CHECK_COUNT(inherited.store, 2);
    check_close(inherited.store);
}

struct forking {
    pid_t child; /* 0 in the child */
    int destroyed;
};

static int32_t fork_and_return(void *ctx, sledstore_txn *txn)
{
    struct forking *forking = ctx;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_put(txn, NULL, TEXT("key"), TEXT("value"), &error));
    forking->child = fork();
    return SLEDSTORE_OK;
}

static void destroy_forking(void *ctx)
{
    ((struct forking *)ctx)->destroyed++;
}

TEST(callback_that_forks_is_committed_by_the_parent_only)
{
    sledstore *store = check_open("store");
    struct forking forking = {-1, 0};
    sledstore_txn_callback callback = SLEDSTORE_TXN_CALLBACK_INIT;
    callback.ctx = &forking;
    callback.run = fork_and_return;
    callback.destroy = destroy_forking;
    sledstore_error *why = NULL;
    int32_t status = sledstore_txn_run(store, &callback, &why);
    if (forking.child == 0) {
        _exit(status == SLEDSTORE_FORKED && sledstore_error_status(why) == SLEDSTORE_FORKED
                      && strstr(sledstore_error_message(why), "fork") != NULL
                      && sledstore_error_free(why) == SLEDSTORE_OK && forking.destroyed == 0
                  ? 10
                  : 11);
    }
    CHECK(forking.child > 0);
    CHECK(status == SLEDSTORE_OK);
    CHECK_NUMBER(1, forking.destroyed);
    CHECK_NUMBER(10, check_wait_for((int)forking.child));
    CHECK_VALUE(store, "key", "value");
    check_close(store);
}

TEST(child_that_was_forked_before_the_first_open_may_open)
{
    const char *path = check_path("store"); /* the parent's directory, for it to remove */
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        sledstore *store;
        CHECK_STATUS(SLEDSTORE_OK, sledstore_open(path, NULL, &store, &error));
        check_put(store, "key", "from the child");
        check_close(store);
        _exit(10);
    }
    CHECK_NUMBER(10, check_wait_for((int)child));
    sledstore *store = check_open("store");
    CHECK_VALUE(store, "key", "from the child");
    check_close(store);
}
