/* A long random walk over the whole library with good, stale, mistaken and made-up handles and
 * arguments. Nothing may crash, every answer has to be a known status, and the library's count of
 * live handles has to be the same as the one kept here, all the way.
 *
 * The walk is the same in every run. SLEDSTORE_WALK_SEED=<number> in the environment gives another. */
#include "check.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { STEPS = 20000, KINDS = 10, MOST = 12, STALE = 64 };

/* ---- chance ------------------------------------------------------------------------------ */

static uint64_t state;

static uint64_t chance(void) /* xorshift64* */
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * UINT64_C(2685821657736338717);
}

static size_t below(size_t bound)
{
    return (size_t)((chance() >> 32) % bound);
}

/* ---- the handles that are alive, as far as the caller can know ----------------------------- */

static struct entry {
    void *handle;
    size_t store; /* of store handles: which store; every open gives a new number */
} live[KINDS][MOST];
static size_t counts[KINDS];
static void *stale[STALE];
static size_t stores;

static void *handle_of(size_t kind)
{
    switch (below(12)) {
    case 0: return NULL;
    case 1: return (void *)(uintptr_t)chance();
    case 2: return stale[below(STALE)];
    case 3: kind = 1 + below(KINDS - 1); break;
    }
    return counts[kind] == 0 ? NULL : live[kind][below(counts[kind])].handle;
}

static size_t store_of(const void *handle)
{
    for (size_t at = 0; at < counts[SLEDSTORE_KIND_STORE]; at++) {
        if (live[SLEDSTORE_KIND_STORE][at].handle == handle) {
            return live[SLEDSTORE_KIND_STORE][at].store;
        }
    }
    check_fail(__FILE__, __LINE__, "a call succeeded on a handle that is no live store");
    return 0;
}

static void forget(size_t kind, size_t at)
{
    stale[below(STALE)] = live[kind][at].handle;
    live[kind][at] = live[kind][--counts[kind]];
}

static void forget_handle(size_t kind, const void *handle)
{
    for (size_t at = 0; at < counts[kind]; at++) {
        if (live[kind][at].handle == handle) {
            forget(kind, at);
            return;
        }
    }
    check_fail(__FILE__, __LINE__, "a handle was freed that was not alive");
}

static int32_t free_handle(size_t kind, void *handle)
{
    switch (kind) {
    case SLEDSTORE_KIND_STORE: return sledstore_release(handle, NULL);
    case SLEDSTORE_KIND_BATCH: return sledstore_batch_free(handle);
    case SLEDSTORE_KIND_ITER: return sledstore_iter_free(handle);
    case SLEDSTORE_KIND_VALUE: return sledstore_value_free(handle);
    case SLEDSTORE_KIND_SNAPSHOT: return sledstore_snapshot_free(handle);
    case SLEDSTORE_KIND_TXN: return sledstore_txn_rollback(handle, NULL);
    case SLEDSTORE_KIND_WATCH: return sledstore_watch_free(handle);
    case SLEDSTORE_KIND_CHANGES: return sledstore_changes_free(handle);
    default: return sledstore_error_free(handle);
    }
}

static void remember(size_t kind, void *handle, size_t store)
{
    if (counts[kind] == MOST) {
        size_t at = below(MOST);
        CHECK(free_handle(kind, live[kind][at].handle) == SLEDSTORE_OK);
        forget(kind, at);
    }
    live[kind][counts[kind]].handle = handle;
    live[kind][counts[kind]++].store = store;
}

/* ---- one call ---------------------------------------------------------------------------- */

static sledstore_error **why; /* what the next call gets for its error */
static sledstore_error *failure;

/* What has to hold after every call. Returns whether it did what it was asked. */
static bool settle(int32_t status)
{
    CHECK(strcmp(sledstore_status_name(status), sledstore_status_name(54321)) != 0);
    CHECK(status != SLEDSTORE_PANIC && status != SLEDSTORE_CORRUPTION);
    if (why != NULL) {
        CHECK((failure != NULL) == (status < 0));
        if (failure != NULL) {
            CHECK(sledstore_error_status(failure) == status);
            CHECK(sledstore_error_message(failure)[0] != '\0');
            remember(SLEDSTORE_KIND_ERROR, failure, 0);
        }
    }
    return status == SLEDSTORE_OK;
}

static volatile unsigned char sink;

static void read_bytes(const void *data, size_t len)
{
    CHECK(data != NULL);
    for (size_t at = 0; at < len; at++) {
        sink = ((const unsigned char *)data)[at];
    }
}

static sledstore_bytes bytes(void)
{
    static const char longest[4097];
    static const char letters[] = "abcdefgh";
    sledstore_bytes some = {letters + below(8), 1};
    switch (below(24)) {
    case 0: some.data = NULL; break;
    case 1: some.len = SIZE_MAX - below(2); break;
    case 2:
        some.data = longest;
        some.len = 4096 + below(2);
        break;
    case 3: some.len = 0; break;
    case 4:
        some.data = NULL;
        some.len = 0;
        break;
    }
    return some;
}

static uint64_t ttl(void)
{
    static const uint64_t some[] = {0, 1, 50, 3600000, UINT64_MAX};
    return some[below(5)];
}

/* `place`, or rarely NULL. */
#define OUT(place) (below(24) == 0 ? NULL : (place))
#define STORE handle_of(SLEDSTORE_KIND_STORE)
#define BATCH handle_of(SLEDSTORE_KIND_BATCH)
#define ITER handle_of(SLEDSTORE_KIND_ITER)
#define SNAPSHOT handle_of(SLEDSTORE_KIND_SNAPSHOT)
#define TXN handle_of(SLEDSTORE_KIND_TXN)
#define WATCH handle_of(SLEDSTORE_KIND_WATCH)
#define CHANGES handle_of(SLEDSTORE_KIND_CHANGES)
#define KEYSPACE (below(2) == 0 ? NULL : STORE)
#define BYTES(some) (some).data, (some).len

/* ---- stores ------------------------------------------------------------------------------ */

static void open_store(void)
{
    static const char *const names[] = {"one", "two", "three", "/dev/null"};
    sledstore_open_options options = SLEDSTORE_OPEN_OPTIONS_INIT;
    sledstore *opened = NULL;
    options.flags = below(3) == 0 ? chance() & 31 : 0;
    options.lock_timeout_ms = (uint32_t)below(3);
    options.mode = (uint32_t)below(4);
    options.keep_log = below(2) == 0 ? 0 : 4 << 20;
    options.struct_size -= below(8) == 0 ? below(sizeof options) : 0;
    const char *path = below(16) == 0 ? "" : check_path(names[below(4)]);
    sledstore_open_options *given = below(2) == 0 ? NULL : &options;
    if (settle(below(4) == 0 ? sledstore_open_temporary(given, OUT(&opened), why)
                             : sledstore_open(OUT(path), given, OUT(&opened), why))) {
        remember(SLEDSTORE_KIND_STORE, opened, ++stores);
    }
}

static void close_store(void)
{
    sledstore *store = STORE;
    if (settle(sledstore_close(store, why)) && store != NULL) {
        size_t closed = store_of(store);
        for (size_t at = counts[SLEDSTORE_KIND_STORE]; at > 0; at--) {
            if (live[SLEDSTORE_KIND_STORE][at - 1].store == closed) {
                forget(SLEDSTORE_KIND_STORE, at - 1);
            }
        }
    }
}

static void open_tree(void)
{
    sledstore *store = STORE, *opened = NULL;
    sledstore_bytes name = bytes();
    if (settle(sledstore_open_keyspace(store, BYTES(name), 0, OUT(&opened), why))) {
        remember(SLEDSTORE_KIND_STORE, opened, store_of(store));
    }
}

static void tree_names(void)
{
    sledstore_value *names[4], **place = OUT(names);
    size_t count = 0;
    /* Without a place for names it tells how many there are. */
    if (settle(sledstore_keyspace_names(STORE, place, below(5), OUT(&count), why))
        && place != NULL) {
        for (size_t at = 0; at < count; at++) {
            remember(SLEDSTORE_KIND_VALUE, names[at], 0);
        }
    }
}

static void rare_call(void)
{
    uint64_t number;
    size_t count;
    sledstore_bytes name = bytes();
    switch (below(8)) {
    case 0: settle(sledstore_drop_keyspace(STORE, BYTES(name), why)); break;
    case 1: settle(sledstore_flush(STORE, why)); break;
    case 2: settle(sledstore_flush_sync(STORE, why)); break;
    case 3: settle(sledstore_compact(STORE, why)); break;
    case 4: settle(sledstore_size_on_disk(STORE, OUT(&number), why)); break;
    case 5: settle(sledstore_count(STORE, OUT(&number), why)); break;
    case 6: settle(sledstore_purge_expired(STORE, OUT(&number), why)); break;
    case 7: settle(sledstore_live_handles((int32_t)below(12), OUT(&count), why)); break;
    }
}

/* ---- keys -------------------------------------------------------------------------------- */

static void get(void)
{
    sledstore_value *value = NULL;
    sledstore_bytes key = bytes();
    if (settle(sledstore_get(STORE, BYTES(key), OUT(&value), why))) {
        remember(SLEDSTORE_KIND_VALUE, value, 0);
    }
}

static void get_many(void)
{
    sledstore_value *values[3] = {NULL, NULL, NULL};
    sledstore_bytes keys[3] = {bytes(), bytes(), bytes()};
    size_t count = below(4);
    if (settle(sledstore_get_many(STORE, OUT(keys), count, OUT(values), why))) {
        for (size_t at = 0; at < count; at++) {
            if (values[at] != NULL) {
                remember(SLEDSTORE_KIND_VALUE, values[at], 0);
            }
        }
    }
}

static void point_call(void)
{
    sledstore_bytes key = bytes(), value = bytes(), other = bytes();
    unsigned char buffer[8];
    size_t needed;
    uint64_t left;
    switch (below(11)) {
    case 0: settle(sledstore_put(STORE, BYTES(key), BYTES(value), why)); break;
    case 1: settle(sledstore_delete(STORE, BYTES(key), why)); break;
    case 2: settle(sledstore_contains(STORE, BYTES(key), why)); break;
    case 3: settle(sledstore_put_with_ttl(STORE, BYTES(key), BYTES(value), ttl(), why)); break;
    case 4: settle(sledstore_expire(STORE, BYTES(key), ttl(), why)); break;
    case 5: settle(sledstore_ttl(STORE, BYTES(key), OUT(&left), why)); break;
    case 6: settle(sledstore_persist(STORE, BYTES(key), why)); break;
    case 7:
        settle(sledstore_compare_and_swap(STORE, BYTES(key), below(2) ? &value : NULL,
                                          below(2) ? &other : NULL, why));
        break;
    case 8:
        settle(sledstore_get_into(STORE, BYTES(key), OUT(buffer), below(9), OUT(&needed), why));
        break;
    case 9: settle(sledstore_merge(STORE, BYTES(key), BYTES(value), why)); break;
    case 10:
        settle(sledstore_set_builtin_merge(STORE, (uint32_t)below(8), (uint32_t)below(6),
                                           BYTES(other), why));
        break;
    }
}

/* ---- batches ----------------------------------------------------------------------------- */

static void new_batch(void)
{
    sledstore_batch *batch = NULL;
    if (settle(sledstore_batch_new(OUT(&batch), why))) {
        remember(SLEDSTORE_KIND_BATCH, batch, 0);
    }
}

static void batch_call(void)
{
    sledstore_bytes keys[3] = {bytes(), bytes(), bytes()}, value = bytes();
    sledstore_pair pairs[2] = {{keys[0], value}, {keys[1], keys[2]}};
    sledstore *keyspace = below(2) == 0 ? NULL : STORE;
    size_t len;
    switch (below(9)) {
    case 0: settle(sledstore_batch_put(BATCH, keyspace, BYTES(*keys), BYTES(value), why)); break;
    case 1:
        settle(
            sledstore_batch_put_with_ttl(BATCH, keyspace, BYTES(*keys), BYTES(value), ttl(), why));
        break;
    case 2: settle(sledstore_batch_delete(BATCH, keyspace, BYTES(*keys), why)); break;
    case 3: settle(sledstore_batch_len(BATCH, OUT(&len), why)); break;
    case 4: settle(sledstore_batch_clear(BATCH, why)); break;
    case 5: settle(sledstore_batch_apply(STORE, BATCH, 0, why)); break;
    case 6: settle(sledstore_put_many(STORE, OUT(pairs), below(3), why)); break;
    case 7: settle(sledstore_delete_many(STORE, OUT(keys), below(4), why)); break;
    case 8: settle(sledstore_batch_merge(BATCH, keyspace, BYTES(*keys), BYTES(value), why)); break;
    }
}

/* ---- iterators --------------------------------------------------------------------------- */

static void new_iter(void)
{
    sledstore_iter_options options = SLEDSTORE_ITER_OPTIONS_INIT;
    sledstore_iter *iter = NULL;
    options.flags = below(3) == 0 ? chance() & 15 : 0;
    options.lower = below(2) == 0 ? bytes() : options.lower;
    options.upper = below(2) == 0 ? bytes() : options.upper;
    options.prefix = below(4) == 0 ? bytes() : options.prefix;
    options.struct_size -= below(8) == 0 ? below(sizeof options) : 0;
    if (settle(sledstore_iter_new(STORE, below(2) == 0 ? NULL : &options, OUT(&iter), why))) {
        remember(SLEDSTORE_KIND_ITER, iter, 0);
    }
}

static void move(void)
{
    sledstore_pair rows[3];
    sledstore_bytes key = bytes();
    size_t count = 1;
    int32_t status;
    switch (below(7)) {
    case 0: status = sledstore_iter_first(ITER, OUT(rows), why); break;
    case 1: status = sledstore_iter_last(ITER, OUT(rows), why); break;
    case 2: status = sledstore_iter_next(ITER, OUT(rows), why); break;
    case 3: status = sledstore_iter_prev(ITER, OUT(rows), why); break;
    case 4: status = sledstore_iter_seek(ITER, BYTES(key), OUT(rows), why); break;
    case 5: status = sledstore_iter_seek_for_prev(ITER, BYTES(key), OUT(rows), why); break;
    default: status = sledstore_iter_next_batch(ITER, OUT(rows), below(4), OUT(&count), why); break;
    }
    if (settle(status)) {
        for (size_t at = 0; at < count; at++) {
            read_bytes(rows[at].key.data, rows[at].key.len);
            read_bytes(rows[at].value.data, rows[at].value.len);
        }
    }
}

/* ---- snapshots and transactions ---------------------------------------------------------- */

static void begin(void)
{
    sledstore_snapshot *snapshot = NULL;
    sledstore_txn *txn = NULL;
    if (below(2) == 0) {
        if (settle(sledstore_snapshot_new(STORE, OUT(&snapshot), why))) {
            remember(SLEDSTORE_KIND_SNAPSHOT, snapshot, 0);
        }
    } else if (settle(sledstore_txn_begin(STORE, OUT(&txn), why))) {
        remember(SLEDSTORE_KIND_TXN, txn, 0);
    }
}

static void read_moment(void)
{
    sledstore_value *values[3] = {NULL, NULL, NULL};
    sledstore_bytes keys[3] = {bytes(), bytes(), bytes()};
    sledstore_iter *iter = NULL;
    unsigned char buffer[8];
    size_t needed;
    uint64_t number;
    bool done = false;
    switch (below(11)) {
    case 0:
        done = settle(sledstore_snapshot_get(SNAPSHOT, KEYSPACE, BYTES(*keys), OUT(values), why));
        break;
    case 1: done = settle(sledstore_txn_get(TXN, KEYSPACE, BYTES(*keys), OUT(values), why)); break;
    case 2:
        done = settle(
            sledstore_snapshot_get_many(SNAPSHOT, KEYSPACE, OUT(keys), below(4), OUT(values), why));
        break;
    case 3:
        done = settle(sledstore_txn_get_many(TXN, KEYSPACE, OUT(keys), below(4), OUT(values), why));
        break;
    case 4:
        settle(sledstore_snapshot_get_into(SNAPSHOT, KEYSPACE, BYTES(*keys), OUT(buffer), below(9),
                                           OUT(&needed), why));
        break;
    case 5:
        settle(sledstore_txn_get_into(TXN, KEYSPACE, BYTES(*keys), OUT(buffer), below(9),
                                      OUT(&needed), why));
        break;
    case 6: settle(sledstore_snapshot_contains(SNAPSHOT, KEYSPACE, BYTES(*keys), why)); break;
    case 7: settle(sledstore_txn_contains(TXN, KEYSPACE, BYTES(*keys), why)); break;
    case 8: settle(sledstore_snapshot_count(SNAPSHOT, KEYSPACE, OUT(&number), why)); break;
    case 9:
        done = settle(sledstore_snapshot_iter_new(SNAPSHOT, KEYSPACE, NULL, OUT(&iter), why));
        break;
    case 10: done = settle(sledstore_txn_iter_new(TXN, KEYSPACE, NULL, OUT(&iter), why)); break;
    }
    if (done && iter != NULL) {
        remember(SLEDSTORE_KIND_ITER, iter, 0);
    }
    for (size_t at = 0; done && at < 3; at++) {
        if (values[at] != NULL) {
            remember(SLEDSTORE_KIND_VALUE, values[at], 0);
        }
    }
}

static void write_moment(void)
{
    sledstore_bytes key = bytes(), value = bytes();
    switch (below(4)) {
    case 0: settle(sledstore_txn_put(TXN, KEYSPACE, BYTES(key), BYTES(value), why)); break;
    case 1:
        settle(sledstore_txn_put_with_ttl(TXN, KEYSPACE, BYTES(key), BYTES(value), ttl(), why));
        break;
    case 2: settle(sledstore_txn_delete(TXN, KEYSPACE, BYTES(key), why)); break;
    case 3: settle(sledstore_txn_merge(TXN, KEYSPACE, BYTES(key), BYTES(value), why)); break;
    }
}

static void commit(void)
{
    sledstore_txn *txn = TXN;
    settle(sledstore_txn_commit(txn, 0, why));
    for (size_t at = 0; at < counts[SLEDSTORE_KIND_TXN]; at++) {
        if (live[SLEDSTORE_KIND_TXN][at].handle == txn) {
            forget(SLEDSTORE_KIND_TXN, at); /* it is gone, committed or not */
            return;
        }
    }
}

/* ---- watches and feeds ------------------------------------------------------------------- */

static void read_if_any(sledstore_bytes some)
{
    if (some.data != NULL) {
        read_bytes(some.data, some.len);
    }
}

static void watch_call(void)
{
    sledstore_watch_options options = SLEDSTORE_WATCH_OPTIONS_INIT;
    sledstore_watch *watch = NULL;
    sledstore_event event;
    sledstore_bytes prefix = bytes();
    int32_t fd;
    switch (below(4)) {
    case 0:
        options.max_events = below(4);
        options.struct_size -= below(8) == 0 ? below(sizeof options) : 0;
        if (settle(sledstore_watch_new(STORE, BYTES(prefix), OUT(&options), OUT(&watch), why))) {
            remember(SLEDSTORE_KIND_WATCH, watch, 0);
        }
        break;
    case 1: settle(sledstore_watch_fd(WATCH, OUT(&fd), why)); break;
    default:
        if (settle(sledstore_watch_next(WATCH, 0, OUT(&event), why))) {
            read_if_any(event.key);
            read_if_any(event.value);
        }
    }
}

static void feed_call(void)
{
    sledstore_changes *changes = NULL;
    sledstore_change change;
    uint64_t number;
    switch (below(5)) {
    case 0:
        number = below(4) == 0 ? chance() : below(300);
        if (settle(sledstore_changes_since(STORE, number, OUT(&changes), OUT(&number), why))) {
            remember(SLEDSTORE_KIND_CHANGES, changes, 0);
        }
        break;
    case 1: settle(sledstore_sequence(STORE, OUT(&number), why)); break;
    case 2: settle(sledstore_snapshot_sequence(SNAPSHOT, OUT(&number), why)); break;
    default:
        if (settle(sledstore_changes_next(CHANGES, OUT(&change), why))) {
            read_bytes(change.keyspace.data, change.keyspace.len);
            read_if_any(change.key);
            read_if_any(change.value);
        }
    }
}

/* ---- values, errors, freeing ------------------------------------------------------------- */

static void look(void)
{
    const sledstore_value *value = handle_of(SLEDSTORE_KIND_VALUE);
    const sledstore_error *other = handle_of(SLEDSTORE_KIND_ERROR);
    const void *data = sledstore_value_data(value);
    size_t len = sledstore_value_len(value);
    CHECK(data != NULL || len == 0);
    if (data != NULL) {
        read_bytes(data, len);
    }
    CHECK(sledstore_error_message(other) != NULL);
    CHECK(sledstore_error_os_code(other) >= 0);
    CHECK(strcmp(sledstore_status_name(sledstore_error_status(other)), sledstore_status_name(54321))
          != 0);
}

static void free_something(void)
{
    size_t kind = 1 + below(KINDS - 1);
    void *handle = handle_of(kind);
    why = NULL; /* freeing says everything with its status */
    if (settle(free_handle(kind, handle)) && handle != NULL) {
        forget_handle(kind, handle);
    }
}

/* ---- the walk ---------------------------------------------------------------------------- */

static void step(void)
{
    static void (*const calls[])(
        void) = {point_call,     point_call, get,      get_many,  batch_call,  batch_call,
                 move,           move,       look,     new_batch, new_iter,    tree_names,
                 free_something, open_tree,  begin,    commit,    read_moment, read_moment,
                 write_moment,   watch_call, feed_call};
    static void (*const slow_calls[])(void) = {open_store, open_store, close_store, rare_call};
    failure = NULL;
    why = below(3) == 0 ? NULL : &failure;
    if (below(16) == 0) {
        slow_calls[below(4)]();
    } else {
        calls[below(sizeof calls / sizeof calls[0])]();
    }
}

static void free_everything(void)
{
    for (size_t kind = KINDS - 1; kind > 0; kind--) {
        while (counts[kind] > 0) {
            CHECK(free_handle(kind, live[kind][0].handle) == SLEDSTORE_OK);
            forget(kind, 0);
        }
    }
}

TEST(random_walk_over_everything_stays_upright)
{
    const char *seed = getenv("SLEDSTORE_WALK_SEED");
    state = seed == NULL ? 20240229 : strtoull(seed, NULL, 10) | 1;
    for (size_t at = 0; at < STEPS; at++) {
        step();
        for (size_t kind = 1; kind < KINDS && at % 16 == 0; kind++) {
            CHECK_NUMBER(counts[kind], check_live((int32_t)kind));
        }
    }
    free_everything();
}
