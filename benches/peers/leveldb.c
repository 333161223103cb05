#include <stdlib.h>
#include <string.h>

#include <leveldb/c.h>

#include "peer.h"

/* A write is appended to the log by a system call, and so survives the process; a durable one is synced. Its write
 * buffer is 4 MiB unless it is told, and its cache 8 MiB: it gets as much as the others, and Bloom filters, without
 * which it would read two levels for each key. It has no transactions: a batch stands for one. */
struct store {
    leveldb_t *db;
    leveldb_options_t *options;
    leveldb_cache_t *cache;
    leveldb_filterpolicy_t *filter;
    leveldb_readoptions_t *read;
    leveldb_writeoptions_t *write;
};

struct batch {
    struct store *store;
    leveldb_writebatch_t *batch;
};

static void check(char *error)
{
    must(error == NULL, "LevelDB", error);
}

static void *open_store(const char *directory, int durable)
{
    struct store *store = malloc(sizeof *store);
    char *error = NULL;
    store->options = leveldb_options_create();
    store->cache = leveldb_cache_create_lru((size_t)1 << 30);
    store->filter = leveldb_filterpolicy_create_bloom(10);
    store->read = leveldb_readoptions_create();
    store->write = leveldb_writeoptions_create();
    leveldb_options_set_create_if_missing(store->options, 1);
    leveldb_options_set_compression(store->options, leveldb_no_compression);
    leveldb_options_set_cache(store->options, store->cache);
    leveldb_options_set_filter_policy(store->options, store->filter);
    leveldb_options_set_write_buffer_size(store->options, 32 << 20);
    leveldb_writeoptions_set_sync(store->write, (unsigned char)durable);
    store->db = leveldb_open(store->options, directory, &error);
    check(error);
    return store;
}

static void close_store(void *handle)
{
    struct store *store = handle;
    leveldb_close(store->db);
    leveldb_options_destroy(store->options);
    leveldb_cache_destroy(store->cache);
    leveldb_filterpolicy_destroy(store->filter);
    leveldb_readoptions_destroy(store->read);
    leveldb_writeoptions_destroy(store->write);
    free(store);
}

static void put(void *handle, const void *key, size_t key_len, const void *value, size_t value_len)
{
    struct store *store = handle;
    char *error = NULL;
    leveldb_put(store->db, store->write, key, key_len, value, value_len, &error);
    check(error);
}

static long get(void *handle, const void *key, size_t key_len, void *value, size_t capacity)
{
    struct store *store = handle;
    char *error = NULL;
    size_t length = 0;
    char *found = leveldb_get(store->db, store->read, key, key_len, &length, &error);
    check(error);
    if (found == NULL) return -1;
    must(length <= capacity, "LevelDB", "a value is too long");
    memcpy(value, found, length);
    leveldb_free(found);
    return (long)length;
}

static void delete (void *handle, const void *key, size_t key_len)
{
    struct store *store = handle;
    char *error = NULL;
    leveldb_delete(store->db, store->write, key, key_len, &error);
    check(error);
}

static void *begin(void *handle, int transaction)
{
    struct batch *batch = malloc(sizeof *batch);
    (void)transaction;
    batch->store = handle;
    batch->batch = leveldb_writebatch_create();
    return batch;
}

static void add(void *handle, const void *key, size_t key_len, const void *value, size_t value_len)
{
    struct batch *batch = handle;
    leveldb_writebatch_put(batch->batch, key, key_len, value, value_len);
}

static void commit(void *handle)
{
    struct batch *batch = handle;
    char *error = NULL;
    leveldb_write(batch->store->db, batch->store->write, batch->batch, &error);
    check(error);
    leveldb_writebatch_destroy(batch->batch);
    free(batch);
}

static long scan(void *handle, int down)
{
    struct store *store = handle;
    leveldb_iterator_t *iter = leveldb_create_iterator(store->db, store->read);
    char *error = NULL;
    size_t length;
    long rows = 0;
    down ? leveldb_iter_seek_to_last(iter) : leveldb_iter_seek_to_first(iter);
    while (leveldb_iter_valid(iter)) {
        (void)leveldb_iter_value(iter, &length);
        rows++;
        down ? leveldb_iter_prev(iter) : leveldb_iter_next(iter);
    }
    leveldb_iter_get_error(iter, &error);
    check(error);
    leveldb_iter_destroy(iter);
    return rows;
}

const struct peer peer_leveldb = {
    "LevelDB", open_store, close_store, put, NULL, get, delete, begin, add, commit, scan,
};
