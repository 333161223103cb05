#include <stdlib.h>
#include <string.h>

#include <rocksdb/c.h>

#include "peer.h"

/* A write is appended to the log by a system call, and so survives the process; a durable one is synced. The write
 * buffer is its own 64 MiB, two of them at most, which is more than the others have; the cache and the Bloom filters
 * are as with LevelDB. Optimistic transactions are those that find conflicts at the commit, as sledstore's do. */
struct store {
    rocksdb_optimistictransactiondb_t *transactions;
    rocksdb_t *db;
    rocksdb_options_t *options;
    rocksdb_readoptions_t *read;
    rocksdb_writeoptions_t *write;
    rocksdb_optimistictransaction_options_t *begin;
};

struct batch {
    struct store *store;
    rocksdb_writebatch_t *batch;
    rocksdb_transaction_t *txn;
};

static void check(char *error)
{
    must(error == NULL, "RocksDB", error);
}

static void *open_store(const char *directory, int durable)
{
    struct store *store = malloc(sizeof *store);
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    char *error = NULL;
    store->options = rocksdb_options_create();
    store->read = rocksdb_readoptions_create();
    store->write = rocksdb_writeoptions_create();
    store->begin = rocksdb_optimistictransaction_options_create();
    rocksdb_options_set_create_if_missing(store->options, 1);
    rocksdb_options_set_compression(store->options, rocksdb_no_compression);
    rocksdb_block_based_options_set_filter_policy(table, rocksdb_filterpolicy_create_bloom(10));
    rocksdb_block_based_options_set_block_cache(table, rocksdb_cache_create_lru((size_t)1 << 30));
    rocksdb_options_set_block_based_table_factory(store->options, table);
    rocksdb_writeoptions_set_sync(store->write, (unsigned char)durable);
    store->transactions = rocksdb_optimistictransactiondb_open(store->options, directory, &error);
    check(error);
    store->db = rocksdb_optimistictransactiondb_get_base_db(store->transactions);
    return store;
}

static void close_store(void *handle)
{
    struct store *store = handle;
    rocksdb_optimistictransactiondb_close_base_db(store->db);
    rocksdb_optimistictransactiondb_close(store->transactions);
    free(store);
}

static void put(void *handle, const void *key, size_t key_len, const void *value, size_t value_len)
{
    struct store *store = handle;
    char *error = NULL;
    rocksdb_put(store->db, store->write, key, key_len, value, value_len, &error);
    check(error);
}

static long get(void *handle, const void *key, size_t key_len, void *value, size_t capacity)
{
    struct store *store = handle;
    char *error = NULL;
    size_t length;
    rocksdb_pinnableslice_t *found =
        rocksdb_get_pinned(store->db, store->read, key, key_len, &error);
    const char *bytes;
    check(error);
    if (found == NULL) return -1;
    bytes = rocksdb_pinnableslice_value(found, &length);
    must(length <= capacity, "RocksDB", "a value is too long");
    memcpy(value, bytes, length);
    rocksdb_pinnableslice_destroy(found);
    return (long)length;
}

static void delete (void *handle, const void *key, size_t key_len)
{
    struct store *store = handle;
    char *error = NULL;
    rocksdb_delete(store->db, store->write, key, key_len, &error);
    check(error);
}

static void *begin(void *handle, int transaction)
{
    struct batch *batch = calloc(1, sizeof *batch);
    struct store *store = batch->store = handle;
    if (transaction)
        batch->txn = rocksdb_optimistictransaction_begin(store->transactions, store->write,
                                                         store->begin, NULL);
    else
        batch->batch = rocksdb_writebatch_create();
    return batch;
}

static void add(void *handle, const void *key, size_t key_len, const void *value, size_t value_len)
{
    struct batch *batch = handle;
    char *error = NULL;
    if (batch->txn)
        rocksdb_transaction_put(batch->txn, key, key_len, value, value_len, &error);
    else
        rocksdb_writebatch_put(batch->batch, key, key_len, value, value_len);
    check(error);
}

static void commit(void *handle)
{
    struct batch *batch = handle;
    char *error = NULL;
    if (batch->txn) {
        rocksdb_transaction_commit(batch->txn, &error);
        rocksdb_transaction_destroy(batch->txn);
    } else {
        rocksdb_write(batch->store->db, batch->store->write, batch->batch, &error);
        rocksdb_writebatch_destroy(batch->batch);
    }
    check(error);
    free(batch);
}

static long scan(void *handle, int down)
{
    struct store *store = handle;
    rocksdb_iterator_t *iter = rocksdb_create_iterator(store->db, store->read);
    char *error = NULL;
    size_t length;
    long rows = 0;
    down ? rocksdb_iter_seek_to_last(iter) : rocksdb_iter_seek_to_first(iter);
    while (rocksdb_iter_valid(iter)) {
        (void)rocksdb_iter_value(iter, &length);
        rows++;
        down ? rocksdb_iter_prev(iter) : rocksdb_iter_next(iter);
    }
    rocksdb_iter_get_error(iter, &error);
    check(error);
    rocksdb_iter_destroy(iter);
    return rows;
}

const struct peer peer_rocksdb = {
    "RocksDB", open_store, close_store, put, NULL, get, delete, begin, add, commit, scan,
};
