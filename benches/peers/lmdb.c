#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <lmdb.h>

#include "peer.h"

/* Pages are mapped from the file: there is no cache to be set, all rows are in the page cache, and what of it
 * is mapped counts as memory of the process. MDB_NOSYNC hands each commit to the system and does not wait for the
 * disk, so that a killed process loses none; a power cut can damage the whole file, which is more than in the
 * other stores. Durable ones are the default, with a sync each. A batch is a transaction. */
struct store {
    MDB_env *env;
    MDB_dbi dbi;
};

struct batch {
    MDB_txn *txn;
    MDB_dbi dbi;
};

static void check(int status)
{
    must(status == 0, "LMDB", mdb_strerror(status));
}

static MDB_val val(const void *data, size_t length)
{
    MDB_val value;
    value.mv_data = (void *)data;
    value.mv_size = length;
    return value;
}

static void *open_store(const char *directory, int durable)
{
    struct store *store = malloc(sizeof *store);
    MDB_txn *txn;
    mkdir(directory, 0777);
    check(mdb_env_create(&store->env));
    check(mdb_env_set_mapsize(store->env, (size_t)16 << 30));
    check(mdb_env_open(store->env, directory, durable ? 0 : MDB_NOSYNC, 0666));
    check(mdb_txn_begin(store->env, NULL, 0, &txn));
    check(mdb_dbi_open(txn, NULL, 0, &store->dbi));
    check(mdb_txn_commit(txn));
    return store;
}

static void close_store(void *handle)
{
    struct store *store = handle;
    mdb_env_sync(store->env, 1);
    mdb_env_close(store->env);
    free(store);
}

static void put(void *handle, const void *key, size_t key_len, const void *value, size_t value_len)
{
    struct store *store = handle;
    MDB_val k = val(key, key_len), v = val(value, value_len);
    MDB_txn *txn;
    check(mdb_txn_begin(store->env, NULL, 0, &txn));
    check(mdb_put(txn, store->dbi, &k, &v, 0));
    check(mdb_txn_commit(txn));
}

static long get(void *handle, const void *key, size_t key_len, void *value, size_t capacity)
{
    struct store *store = handle;
    MDB_val k = val(key, key_len), v;
    MDB_txn *txn;
    long length = -1;
    int status;
    check(mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn));
    status = mdb_get(txn, store->dbi, &k, &v);
    if (status != MDB_NOTFOUND) {
        check(status);
        must(v.mv_size <= capacity, "LMDB", "a value is too long");
        memcpy(value, v.mv_data, v.mv_size);
        length = (long)v.mv_size;
    }
    mdb_txn_abort(txn);
    return length;
}

static void delete (void *handle, const void *key, size_t key_len)
{
    struct store *store = handle;
    MDB_val k = val(key, key_len);
    MDB_txn *txn;
    int status;
    check(mdb_txn_begin(store->env, NULL, 0, &txn));
    status = mdb_del(txn, store->dbi, &k, NULL);
    check(status == MDB_NOTFOUND ? 0 : status);
    check(mdb_txn_commit(txn));
}

static void *begin(void *handle, int transaction)
{
    struct store *store = handle;
    struct batch *batch = malloc(sizeof *batch);
    (void)transaction;
    batch->dbi = store->dbi;
    check(mdb_txn_begin(store->env, NULL, 0, &batch->txn));
    return batch;
}

static void add(void *handle, const void *key, size_t key_len, const void *value, size_t value_len)
{
    struct batch *batch = handle;
    MDB_val k = val(key, key_len), v = val(value, value_len);
    check(mdb_put(batch->txn, batch->dbi, &k, &v, 0));
}

static void commit(void *handle)
{
    struct batch *batch = handle;
    check(mdb_txn_commit(batch->txn));
    free(batch);
}

static long scan(void *handle, int down)
{
    struct store *store = handle;
    MDB_val k, v;
    MDB_txn *txn;
    MDB_cursor *cursor;
    long rows = 0;
    check(mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn));
    check(mdb_cursor_open(txn, store->dbi, &cursor));
    while (mdb_cursor_get(cursor, &k, &v, down ? MDB_PREV : MDB_NEXT) == 0) rows++;
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    return rows;
}

const struct peer peer_lmdb = {
    "LMDB", open_store, close_store, put, NULL, get, delete, begin, add, commit, scan,
};
