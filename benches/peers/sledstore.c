#include <stdlib.h>

#include <sledstore.h>

#include "peer.h"

/* As a program gets it that sets nothing, which is a cache of 1 GiB and memtables of 32 MiB. A write is handed
 * to the system before the call returns, so that a killed process loses none, and is synced within half a
 * second; a durable one is synced before the call returns. */
struct store {
    sledstore *handle;
};

struct batch {
    struct store *store;
    sledstore_batch *batch;
    sledstore_txn *txn;
};

static void check(sledstore_status status, sledstore_error *error)
{
    must(status >= 0, "sledstore", error ? sledstore_error_message(error) : "failed");
}

static void *open_store(const char *directory, int durable)
{
    struct store *store = malloc(sizeof *store);
    sledstore_open_options options = SLEDSTORE_OPEN_OPTIONS_INIT;
    sledstore_error *error = NULL;
    options.durability = durable ? SLEDSTORE_DURABILITY_SYNCED : SLEDSTORE_DURABILITY_BUFFERED;
    check(sledstore_open(directory, &options, &store->handle, &error), error);
    return store;
}

static void close_store(void *handle)
{
    struct store *store = handle;
    sledstore_error *error = NULL;
    check(sledstore_close(store->handle, &error), error);
    free(store);
}

static void put(void *handle, const void *key, size_t key_len, const void *value, size_t value_len)
{
    struct store *store = handle;
    sledstore_error *error = NULL;
    check(sledstore_put(store->handle, key, key_len, value, value_len, &error), error);
}

static void put_with_ttl(void *handle, const void *key, size_t key_len, const void *value,
                         size_t value_len)
{
    struct store *store = handle;
    sledstore_error *error = NULL;
    check(sledstore_put_with_ttl(store->handle, key, key_len, value, value_len, 3600000, &error),
          error);
}

static long get(void *handle, const void *key, size_t key_len, void *value, size_t capacity)
{
    struct store *store = handle;
    sledstore_error *error = NULL;
    size_t length = 0;
    sledstore_status status =
        sledstore_get_into(store->handle, key, key_len, value, capacity, &length, &error);
    check(status, error);
    return status == SLEDSTORE_OK ? (long)length : -1;
}

static void delete (void *handle, const void *key, size_t key_len)
{
    struct store *store = handle;
    sledstore_error *error = NULL;
    check(sledstore_delete(store->handle, key, key_len, &error), error);
}

static void *begin(void *handle, int transaction)
{
    struct batch *batch = calloc(1, sizeof *batch);
    sledstore_error *error = NULL;
    batch->store = handle;
    check(transaction ? sledstore_txn_begin(batch->store->handle, &batch->txn, &error)
                      : sledstore_batch_new(&batch->batch, &error),
          error);
    return batch;
}

static void add(void *handle, const void *key, size_t key_len, const void *value, size_t value_len)
{
    struct batch *batch = handle;
    sledstore_error *error = NULL;
    check(batch->txn
              ? sledstore_txn_put(batch->txn, NULL, key, key_len, value, value_len, &error)
              : sledstore_batch_put(batch->batch, NULL, key, key_len, value, value_len, &error),
          error);
}

static void commit(void *handle)
{
    struct batch *batch = handle;
    sledstore_error *error = NULL;
    check(batch->txn ? sledstore_txn_commit(batch->txn, 0, &error)
                     : sledstore_batch_apply(batch->store->handle, batch->batch, 0, &error),
          error);
    sledstore_batch_free(batch->batch);
    free(batch);
}

static long scan(void *handle, int down)
{
    struct store *store = handle;
    sledstore_error *error = NULL;
    sledstore_iter *iter;
    sledstore_pair row;
    long rows = 0;
    check(sledstore_iter_new(store->handle, NULL, &iter, &error), error);
    for (;;) {
        sledstore_status status = down ? sledstore_iter_prev(iter, &row, &error)
                                       : sledstore_iter_next(iter, &row, &error);
        check(status, error);
        if (status != SLEDSTORE_OK) break;
        rows++;
    }
    sledstore_iter_free(iter);
    return rows;
}

const struct peer peer_sledstore = {
    "sledstore", open_store, close_store, put, put_with_ttl, get, delete, begin, add, commit, scan,
};
