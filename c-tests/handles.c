/* Handles that are none, or not any more: every function against every sort of them.
 *
 * The tables list each function that takes a handle, in the order of the header. */
#include "check.h"

#include <stdint.h>

/* Where the calls below put their results. Filled with rubbish before a call that has to fail, and
 * checked to be zero after it. */
static union {
    sledstore *store;
    sledstore_value *value;
    sledstore_iter *iter;
    size_t size;
    uint64_t number;
    sledstore_pair row;
    sledstore_watch *watch;
    sledstore_event event;
    int32_t fd;
    sledstore_changes *changes;
    sledstore_change change;
    unsigned char bytes[sizeof(sledstore_change)];
} out;

enum {
    HANDLE = sizeof(void *),
    SIZE = sizeof(size_t),
    NUMBER = 8,
    ROW = sizeof(sledstore_pair),
    EVENT = sizeof(sledstore_event),
    CHANGE = sizeof(sledstore_change),
    TABLES = 5,
    TYPES = 7 /* of handles: those of the tables first */
};

struct function {
    const char *name;
    int32_t (*call)(void *handle, sledstore_error **why);
    size_t result; /* how many bytes of `out` it writes */
};

#define CALL(type, name, call)                               \
    static int32_t name(void *handle, sledstore_error **why) \
    {                                                        \
        type *it = handle;                                   \
        return call;                                         \
    }

static const sledstore_bytes key = {"key", 3};
static const sledstore_pair pair = {{"key", 3}, {"value", 5}};
static sledstore_batch *empty_batch;

CALL(sledstore, close_store, sledstore_close(it, why))
CALL(sledstore, release, sledstore_release(it, why))
CALL(sledstore, open_tree, sledstore_open_keyspace(it, TEXT("words"), 0, &out.store, why))
CALL(sledstore, drop_tree, sledstore_drop_keyspace(it, TEXT("words"), why))
CALL(sledstore, tree_names, sledstore_keyspace_names(it, NULL, 0, &out.size, why))
CALL(sledstore, flush, sledstore_flush(it, why))
CALL(sledstore, flush_sync, sledstore_flush_sync(it, why))
CALL(sledstore, compact, sledstore_compact(it, why))
CALL(sledstore, size_on_disk, sledstore_size_on_disk(it, &out.number, why))
CALL(sledstore, verify, sledstore_verify(it, NULL, why))
CALL(sledstore, salvage_report, sledstore_salvage_report(it, NULL, &out.number, why))
CALL(sledstore, count, sledstore_count(it, &out.number, why))
CALL(sledstore, approximate_size,
     sledstore_approximate_size(it, NULL, 0, NULL, 0, &out.number, why))
CALL(sledstore, get, sledstore_get(it, TEXT("key"), &out.value, why))
CALL(sledstore, get_into, sledstore_get_into(it, TEXT("key"), NULL, 0, &out.size, why))
CALL(sledstore, get_many, sledstore_get_many(it, &key, 1, &out.value, why))
CALL(sledstore, contains, sledstore_contains(it, TEXT("key"), why))
CALL(sledstore, put, sledstore_put(it, TEXT("key"), TEXT("value"), why))
CALL(sledstore, delete_key, sledstore_delete(it, TEXT("key"), why))
CALL(sledstore, swap, sledstore_compare_and_swap(it, TEXT("key"), NULL, &key, why))
CALL(sledstore, merge, sledstore_merge(it, TEXT("key"), TEXT("value"), why))
CALL(sledstore, set_merge, sledstore_set_builtin_merge(it, SLEDSTORE_MERGE_OR, 0, NULL, 0, why))
CALL(sledstore, put_with_ttl, sledstore_put_with_ttl(it, TEXT("key"), TEXT("value"), 9, why))
CALL(sledstore, expire, sledstore_expire(it, TEXT("key"), 9, why))
CALL(sledstore, ttl, sledstore_ttl(it, TEXT("key"), &out.number, why))
CALL(sledstore, persist, sledstore_persist(it, TEXT("key"), why))
CALL(sledstore, purge_expired, sledstore_purge_expired(it, &out.number, why))
CALL(sledstore, batch_apply, sledstore_batch_apply(it, empty_batch, 0, why))
CALL(sledstore, batch_write, sledstore_put_many(it, &pair, 1, why))
CALL(sledstore, batch_delete_many, sledstore_delete_many(it, &key, 1, why))
CALL(sledstore, iter_new, sledstore_iter_new(it, NULL, &out.iter, why))
CALL(sledstore, sequence, sledstore_sequence(it, &out.number, why))
CALL(sledstore, watch_new, sledstore_watch_new(it, NULL, 0, NULL, &out.watch, why))
CALL(sledstore, changes_since, sledstore_changes_since(it, 0, &out.changes, NULL, why))

static const struct function store_functions[] = {
    {"close", close_store, 0},
    {"release", release, 0},
    {"open_tree", open_tree, HANDLE},
    {"drop_tree", drop_tree, 0},
    {"tree_names", tree_names, SIZE},
    {"flush", flush, 0},
    {"flush_sync", flush_sync, 0},
    {"compact", compact, 0},
    {"size_on_disk", size_on_disk, NUMBER},
    {"verify", verify, 0},
    {"salvage_report", salvage_report, NUMBER},
    {"count", count, NUMBER},
    {"approximate_size", approximate_size, NUMBER},
    {"get", get, HANDLE},
    {"get_into", get_into, SIZE},
    {"get_many", get_many, HANDLE},
    {"contains", contains, 0},
    {"put", put, 0},
    {"delete", delete_key, 0},
    {"compare_and_swap", swap, 0},
    {"merge", merge, 0},
    {"set_builtin_merge", set_merge, 0},
    {"put_with_ttl", put_with_ttl, 0},
    {"expire", expire, 0},
    {"ttl", ttl, NUMBER},
    {"persist", persist, 0},
    {"purge_expired", purge_expired, NUMBER},
    {"batch_apply", batch_apply, 0},
    {"batch_write", batch_write, 0},
    {"batch_delete_many", batch_delete_many, 0},
    {"iter_new", iter_new, HANDLE},
    {"sequence", sequence, NUMBER},
    {"watch_new", watch_new, HANDLE},
    {"changes_since", changes_since, HANDLE},
    {NULL, NULL, 0},
};

CALL(sledstore_batch, batch_put, sledstore_batch_put(it, NULL, TEXT("key"), TEXT("value"), why))
CALL(sledstore_batch, batch_put_with_ttl,
     sledstore_batch_put_with_ttl(it, NULL, TEXT("key"), TEXT("value"), 9, why))
CALL(sledstore_batch, batch_delete, sledstore_batch_delete(it, NULL, TEXT("key"), why))
CALL(sledstore_batch, batch_merge, sledstore_batch_merge(it, NULL, TEXT("key"), TEXT("1"), why))
CALL(sledstore_batch, batch_len, sledstore_batch_len(it, &out.size, why))
CALL(sledstore_batch, batch_clear, sledstore_batch_clear(it, why))

static const struct function batch_functions[] = {
    {"batch_put", batch_put, 0},
    {"batch_put_with_ttl", batch_put_with_ttl, 0},
    {"batch_delete", batch_delete, 0},
    {"batch_len", batch_len, SIZE},
    {"batch_clear", batch_clear, 0},
    {"batch_merge", batch_merge, 0},
    {NULL, NULL, 0},
};

CALL(sledstore_iter, iter_first, sledstore_iter_first(it, &out.row, why))
CALL(sledstore_iter, iter_last, sledstore_iter_last(it, &out.row, why))
CALL(sledstore_iter, iter_next, sledstore_iter_next(it, &out.row, why))
CALL(sledstore_iter, iter_prev, sledstore_iter_prev(it, &out.row, why))
CALL(sledstore_iter, iter_seek, sledstore_iter_seek(it, TEXT("key"), &out.row, why))
CALL(sledstore_iter, iter_seek_for_prev,
     sledstore_iter_seek_for_prev(it, TEXT("key"), &out.row, why))

CALL(sledstore_iter, iter_current, sledstore_iter_current(it, &out.row, why))
CALL(sledstore_iter, iter_ttl, sledstore_iter_ttl(it, &out.number, why))

/* Two outputs: the row is cleared like the count. */
static int32_t iter_next_batch(void *handle, sledstore_error **why)
{
    size_t many = 77;
    int32_t status = sledstore_iter_next_batch(handle, &out.row, 1, &many, why);
    CHECK(status == SLEDSTORE_OK || many == 0);
    return status;
}

static const struct function iter_functions[] = {
    {"iter_first", iter_first, ROW},
    {"iter_last", iter_last, ROW},
    {"iter_next", iter_next, ROW},
    {"iter_prev", iter_prev, ROW},
    {"iter_seek", iter_seek, ROW},
    {"iter_seek_for_prev", iter_seek_for_prev, ROW},
    {"iter_current", iter_current, ROW},
    {"iter_ttl", iter_ttl, NUMBER},
    {"iter_next_batch", iter_next_batch, ROW},
    {NULL, NULL, 0},
};

CALL(sledstore_watch, watch_next, sledstore_watch_next(it, 0, &out.event, why))

/* What it gives on failure is -1. */
static int32_t watch_fd(void *handle, sledstore_error **why)
{
    int32_t status = sledstore_watch_fd(handle, &out.fd, why);
    CHECK(status == SLEDSTORE_OK || out.fd == -1);
    return status;
}

static const struct function watch_functions[] = {
    {"watch_next", watch_next, EVENT},
    {"watch_fd", watch_fd, 0},
    {NULL, NULL, 0},
};

CALL(sledstore_changes, changes_next, sledstore_changes_next(it, &out.change, why))

static const struct function changes_functions[] = {
    {"changes_next", changes_next, CHANGE},
    {NULL, NULL, 0},
};

static const struct function *const tables[TABLES] = {
    store_functions, batch_functions, iter_functions, watch_functions, changes_functions,
};

/* Calls with a handle that has to be refused. */
static void check_refused(const struct function *function, void *handle, int32_t expected)
{
    memset(out.bytes, 0xa5, sizeof out.bytes);
    if (function->call(handle, NULL) != expected) {
        check_fail(__FILE__, __LINE__, function->name);
    }
    CHECK_STATUS(expected, function->call(handle, &error));
    for (size_t at = 0; at < function->result; at++) {
        CHECK(out.bytes[at] == 0);
    }
}

static void check_all_refused(const struct function *table, void *handle, int32_t expected)
{
    for (; table->name != NULL; table++) {
        /* What ends a handle does nothing to NULL, as free() does. */
        int ends = table->call == close_store || table->call == release;
        check_refused(table, handle, handle == NULL && ends ? SLEDSTORE_OK : expected);
    }
}

/* One living handle of each type. */
static struct {
    sledstore *store;
    sledstore_batch *batch;
    sledstore_iter *iter;
    sledstore_watch *watch;
    sledstore_changes *changes;
    sledstore_value *value;
    sledstore_error *error;
} live;

static void make_live_handles(void)
{
    live.store = check_open("store");
    check_put(live.store, "key", "value");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_new(&live.batch, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_new(&empty_batch, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_new(live.store, NULL, &live.iter, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_watch_new(live.store, NULL, 0, NULL, &live.watch, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_changes_since(live.store, 0, &live.changes, NULL, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_get(live.store, TEXT("key"), &live.value, &error));
    CHECK(sledstore_flush(NULL, &live.error) == SLEDSTORE_INVALID_ARGUMENT);
}

static void free_live_handles(void)
{
    CHECK_STATUS(SLEDSTORE_OK, sledstore_error_free(live.error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_value_free(live.value));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_changes_free(live.changes));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_watch_free(live.watch));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_free(live.iter));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_free(empty_batch));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_free(live.batch));
    CHECK_VALUE(live.store, "key", "value"); /* nobody did it any harm */
    CHECK_COUNT(live.store, 1);
    check_close(live.store);
}

/* ---- the tests --------------------------------------------------------------------------- */

TEST(null_is_an_invalid_argument_everywhere)
{
    make_live_handles();
    for (size_t at = 0; at < TABLES; at++) {
        check_all_refused(tables[at], NULL, SLEDSTORE_INVALID_ARGUMENT);
    }
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_batch_apply(live.store, NULL, 0, &error));
    free_live_handles();
}

TEST(handle_of_another_type_is_refused_everywhere)
{
    make_live_handles();
    void *const handles[TYPES] = {live.store,   live.batch, live.iter, live.watch,
                                  live.changes, live.value, live.error};
    for (size_t own = 0; own < TABLES; own++) {
        for (size_t other = 0; other < TYPES; other++) {
            if (own != other) {
                check_all_refused(tables[own], handles[other], SLEDSTORE_WRONG_HANDLE);
            }
        }
    }
    for (size_t other = 0; other < TYPES; other++) {
        if (handles[other] != live.batch) {
            CHECK_STATUS(SLEDSTORE_WRONG_HANDLE,
                         sledstore_batch_apply(live.store, handles[other], 0, &error));
            CHECK_STATUS(SLEDSTORE_WRONG_HANDLE, sledstore_batch_free(handles[other]));
        }
        if (handles[other] != live.iter) {
            CHECK_STATUS(SLEDSTORE_WRONG_HANDLE, sledstore_iter_free(handles[other]));
        }
        if (handles[other] != live.watch) {
            CHECK_STATUS(SLEDSTORE_WRONG_HANDLE, sledstore_watch_free(handles[other]));
        }
        if (handles[other] != live.changes) {
            CHECK_STATUS(SLEDSTORE_WRONG_HANDLE, sledstore_changes_free(handles[other]));
        }
        if (handles[other] != live.value) {
            CHECK_STATUS(SLEDSTORE_WRONG_HANDLE, sledstore_value_free(handles[other]));
        }
        if (handles[other] != live.error) {
            CHECK_STATUS(SLEDSTORE_WRONG_HANDLE, sledstore_error_free(handles[other]));
        }
    }
    free_live_handles();
}

TEST(pointer_that_never_was_a_handle_is_refused_everywhere)
{
    int on_the_stack = 0;
    const uintptr_t forged[] = {
        1,
        8,
        4096,
        (uintptr_t)&on_the_stack,
        (uintptr_t) "text",
        (uintptr_t)&tables,
        (uintptr_t)UINT64_C(0x00007fff12345678),
        (uintptr_t)UINT64_C(0x7fffffffffffffff),
        UINTPTR_MAX,
    };
    make_live_handles();
    for (size_t at = 0; at < sizeof forged / sizeof forged[0]; at++) {
        void *handle = (void *)forged[at];
        for (size_t table = 0; table < TABLES; table++) {
            check_all_refused(tables[table], handle, SLEDSTORE_WRONG_HANDLE);
        }
        CHECK_STATUS(SLEDSTORE_WRONG_HANDLE, sledstore_batch_apply(live.store, handle, 0, &error));
        CHECK_STATUS(SLEDSTORE_WRONG_HANDLE, sledstore_batch_free(handle));
        CHECK_STATUS(SLEDSTORE_WRONG_HANDLE, sledstore_iter_free(handle));
        CHECK_STATUS(SLEDSTORE_WRONG_HANDLE, sledstore_watch_free(handle));
        CHECK_STATUS(SLEDSTORE_WRONG_HANDLE, sledstore_changes_free(handle));
        CHECK_STATUS(SLEDSTORE_WRONG_HANDLE, sledstore_value_free(handle));
        CHECK_STATUS(SLEDSTORE_WRONG_HANDLE, sledstore_error_free(handle));
    }
    free_live_handles();
}

/* A handle with some bits changed may look like one that was freed, but never like a live one. */
TEST(damaged_handle_is_refused_everywhere)
{
    make_live_handles();
    const uintptr_t handles[TABLES] = {(uintptr_t)live.store, (uintptr_t)live.batch,
                                       (uintptr_t)live.iter, (uintptr_t)live.watch,
                                       (uintptr_t)live.changes};
    for (size_t table = 0; table < TABLES; table++) {
        for (unsigned bit = 0; bit < 8 * sizeof(uintptr_t); bit++) {
            void *damaged = (void *)(handles[table] ^ (uintptr_t)1 << bit);
            if (damaged == (void *)empty_batch) {
                continue; /* by accident, a real one */
            }
            for (const struct function *it = tables[table]; it->name != NULL; it++) {
                CHECK_ONE_OF(it->call(damaged, &error), SLEDSTORE_WRONG_HANDLE, SLEDSTORE_CLOSED);
            }
        }
    }
    free_live_handles();
}

TEST(freed_handle_is_closed_everywhere)
{
    make_live_handles();
    sledstore_batch *batch;
    sledstore_iter *iter;
    sledstore *keyspace;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_new(&batch, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_new(live.store, NULL, &iter, &error));
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_open_keyspace(live.store, TEXT("words"), 0, &keyspace, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_free(batch));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_free(iter));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_release(keyspace, &error));
    check_all_refused(store_functions, keyspace, SLEDSTORE_CLOSED);
    check_all_refused(batch_functions, batch, SLEDSTORE_CLOSED);
    check_all_refused(iter_functions, iter, SLEDSTORE_CLOSED);
    CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_batch_apply(live.store, batch, 0, &error));
    CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_batch_free(batch));
    CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_iter_free(iter));
    free_live_handles();
}

TEST(handle_of_a_closed_store_is_closed_everywhere)
{
    sledstore *store = check_open("closed"), *keyspace;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_open_keyspace(store, TEXT("words"), 0, &keyspace, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_new(&empty_batch, &error));
    check_close(store);
    check_all_refused(store_functions, store, SLEDSTORE_CLOSED);
    check_all_refused(store_functions, keyspace, SLEDSTORE_CLOSED);
    CHECK_STATUS(SLEDSTORE_CLOSED,
                 sledstore_batch_put(empty_batch, keyspace, TEXT("a"), TEXT("b"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_free(empty_batch));
}

TEST(freeing_null_does_nothing)
{
    CHECK_STATUS(SLEDSTORE_OK, sledstore_error_free(NULL));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_value_free(NULL));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_free(NULL));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_free(NULL));
}
