/* What the driver asks of a store. Each function ends the program where the store fails: a figure of
 * a run that failed would be worth nothing. */
#ifndef PEER_H
#define PEER_H

#include <stddef.h>

struct peer {
    const char *name;
    /* Opens or creates the store in `directory`. With `durable`, a put or a commit returns when it is on
     * the disk; otherwise when it survives the end of the process, or as near as the store comes. */
    void *(*open)(const char *directory, int durable);
    void (*close)(void *store);
    void (*put)(void *store, const void *key, size_t key_len, const void *value, size_t value_len);
    /* NULL where the store has no expiry for a single key. */
    void (*put_with_ttl)(void *store, const void *key, size_t key_len, const void *value,
                         size_t value_len);
    /* Copies the value; returns its length, or -1 where the key is absent. */
    long (*get)(void *store, const void *key, size_t key_len, void *value, size_t capacity);
    void (*delete)(void *store, const void *key, size_t key_len);
    /* Rows that are written together. Where a store has transactions apart from batches, `transaction`
     * is one of these. */
    void *(*begin)(void *store, int transaction);
    void (*add)(void *batch, const void *key, size_t key_len, const void *value, size_t value_len);
    void (*commit)(void *batch);
    /* Goes over all rows, up or down, and returns how many there were. */
    long (*scan)(void *store, int down);
};

extern const struct peer peer_sledstore;
#ifdef HAVE_LMDB
extern const struct peer peer_lmdb;
#endif
#ifdef HAVE_LEVELDB
extern const struct peer peer_leveldb;
#endif
#ifdef HAVE_ROCKSDB
extern const struct peer peer_rocksdb;
#endif
#ifdef HAVE_SQLITE
extern const struct peer peer_sqlite;
#endif

/* Ends the program with the words of `store`, unless `ok`. */
void must(int ok, const char *store, const char *words);

/* Keys have up to so many bytes, and so have values. */
#define MAX_VALUE 4096

#endif
