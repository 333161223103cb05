#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sqlite3.h>

#include "peer.h"

/* With a write-ahead log and synchronous=NORMAL a commit is handed to the system and survives the process; FULL
 * syncs each. Its log is brought into the file each 1,000 pages, as by default. Rows lie in the order of the key (WITHOUT
 * ROWID) and statements are prepared once. A batch is a transaction.
 *
 * A connection is for one thread at a time, so each thread has its own. */
struct store {
    char file[4096];
    int durable;
};

struct connection {
    const struct store *of;
    sqlite3 *db;
    sqlite3_stmt *put, *get, *delete, *begin, *commit;
};

static _Thread_local struct connection mine;

static void check(sqlite3 *db, int status)
{
    must(status == SQLITE_OK || status == SQLITE_ROW || status == SQLITE_DONE, "SQLite",
         db ? sqlite3_errmsg(db) : "failed");
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *text)
{
    sqlite3_stmt *statement;
    check(db, sqlite3_prepare_v3(db, text, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL));
    return statement;
}

static struct connection *connection(struct store *store)
{
    struct connection *c = &mine;
    if (c->of == store) return c;
    c->of = store;
    check(NULL, sqlite3_open(store->file, &c->db));
    sqlite3_busy_timeout(c->db, 60000);
    check(c->db, sqlite3_exec(c->db, "PRAGMA journal_mode=WAL; PRAGMA cache_size=-1048576;", NULL,
                              NULL, NULL));
    check(c->db,
          sqlite3_exec(c->db,
                       store->durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL",
                       NULL, NULL, NULL));
    check(c->db,
          sqlite3_exec(c->db,
                       "CREATE TABLE IF NOT EXISTS kv (k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID",
                       NULL, NULL, NULL));
    c->put = prepare(c->db, "INSERT OR REPLACE INTO kv VALUES (?, ?)");
    c->get = prepare(c->db, "SELECT v FROM kv WHERE k = ?");
    c->delete = prepare(c->db, "DELETE FROM kv WHERE k = ?");
    c->begin = prepare(c->db, "BEGIN IMMEDIATE");
    c->commit = prepare(c->db, "COMMIT");
    return c;
}

static void run(struct connection *c, sqlite3_stmt *statement)
{
    check(c->db, sqlite3_step(statement));
    check(c->db, sqlite3_reset(statement));
}

static void *open_store(const char *directory, int durable)
{
    struct store *store = malloc(sizeof *store);
    mkdir(directory, 0777);
    snprintf(store->file, sizeof store->file, "%s/db", directory);
    store->durable = durable;
    connection(store);
    return store;
}

static void close_store(void *handle)
{
    struct connection *c = connection(handle);
    sqlite3_stmt *statement;
    while ((statement = sqlite3_next_stmt(c->db, NULL)) != NULL) sqlite3_finalize(statement);
    sqlite3_close(c->db);
    memset(c, 0, sizeof *c);
    free(handle);
}

static void put_by(struct connection *c, const void *key, size_t key_len, const void *value,
                   size_t value_len)
{
    sqlite3_bind_blob(c->put, 1, key, (int)key_len, SQLITE_STATIC);
    sqlite3_bind_blob(c->put, 2, value, (int)value_len, SQLITE_STATIC);
    run(c, c->put);
}

static void put(void *store, const void *key, size_t key_len, const void *value, size_t value_len)
{
    put_by(connection(store), key, key_len, value, value_len);
}

static long get(void *store, const void *key, size_t key_len, void *value, size_t capacity)
{
    struct connection *c = connection(store);
    long length = -1;
    sqlite3_bind_blob(c->get, 1, key, (int)key_len, SQLITE_STATIC);
    if (sqlite3_step(c->get) == SQLITE_ROW) {
        length = sqlite3_column_bytes(c->get, 0);
        must((size_t)length <= capacity, "SQLite", "a value is too long");
        memcpy(value, sqlite3_column_blob(c->get, 0), (size_t)length);
    }
    check(c->db, sqlite3_reset(c->get));
    return length;
}

static void delete (void *store, const void *key, size_t key_len)
{
    struct connection *c = connection(store);
    sqlite3_bind_blob(c->delete, 1, key, (int)key_len, SQLITE_STATIC);
    run(c, c->delete);
}

static void *begin(void *store, int transaction)
{
    struct connection *c = connection(store);
    (void)transaction;
    run(c, c->begin);
    return c;
}

static void add(void *handle, const void *key, size_t key_len, const void *value, size_t value_len)
{
    put_by(handle, key, key_len, value, value_len);
}

static void commit(void *handle)
{
    struct connection *c = handle;
    run(c, c->commit);
}

static long scan(void *store, int down)
{
    struct connection *c = connection(store);
    sqlite3_stmt *rows = prepare(c->db, down ? "SELECT k, v FROM kv ORDER BY k DESC"
                                             : "SELECT k, v FROM kv ORDER BY k");
    long count = 0;
    int status;
    while ((status = sqlite3_step(rows)) == SQLITE_ROW) count++;
    check(c->db, status);
    sqlite3_finalize(rows);
    return count;
}

const struct peer peer_sqlite = {
    "SQLite", open_store, close_store, put, NULL, get, delete, begin, add, commit, scan,
};
