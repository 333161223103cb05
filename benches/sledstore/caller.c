/* What calls cost their caller while the memtables take it: CPU time of the calling thread.
 *
 * Usage: caller DIRECTORY [ROUNDS]
 *
 * Each kind of work meets a store of its own, of 100,000 rows, which are settled unless it says
 * otherwise; what it writes fits into one memtable, so the checkpoint thread has no part in it. A figure is
 * the median over the rounds, in which the kinds take turns. */
#include <stdio.h>
#include <unistd.h>

#include "harness.h"

enum { ROWS = 100000, MOST_ROUNDS = 15 };

enum work {
    PUT,
    GET_WRITTEN,
    GET_SETTLED,
    GET_MISSING,
    SCAN,
    TXN_1,
    TXN_10,
    BATCH_1000,
    BATCH_1000_RANDOM,
    SNAPSHOT,
    PWRITE,
    WORKS
};

static const char *const names[WORKS] = {
    "put",
    "get of what was just written",
    "get of a settled row",
    "get of a missing key",
    "full scan of settled rows, a row",
    "transaction of 1",
    "transaction of 10, a row",
    "batch of 1000, sorted, a row",
    "batch of 1000, random, a row",
    "a snapshot, taken and freed",
    "beside them: a pwrite of 180 bytes alone",
};

static char *keys, *sorted, *values;

static void make_rows(void)
{
    keys = malloc((size_t)ROWS * KEY);
    sorted = malloc((size_t)ROWS * KEY);
    values = malloc((size_t)ROWS * VALUE);
    for (size_t row = 0; row < ROWS; row++) {
        make_key(keys + row * KEY, row);
        make_value(values + row * VALUE, row);
    }
    memcpy(sorted, keys, (size_t)ROWS * KEY);
    qsort(sorted, ROWS, KEY, by_key);
}

static void put_all(sledstore *store)
{
    for (size_t row = 0; row < ROWS; row++)
        must(sledstore_put(store, keys + row * KEY, KEY, values + row * VALUE, VALUE, &error));
}

static void get_all(sledstore *store, uint64_t from, sledstore_status expected)
{
    char key[KEY], value[VALUE];
    size_t length;
    for (uint64_t row = 0; row < ROWS; row++) {
        make_key(key, from + row);
        expect(sledstore_get_into(store, key, KEY, value, VALUE, &length, &error), expected);
    }
}

static void scan(sledstore *store)
{
    sledstore_iter *iter;
    sledstore_pair row;
    long found = 0;
    must(sledstore_iter_new(store, NULL, &iter, &error));
    while (must(sledstore_iter_next(iter, &row, &error)) == SLEDSTORE_OK) found++;
    sledstore_iter_free(iter);
    if (found != ROWS) fail("the scan misses rows");
}

static void commit_all(sledstore *store, size_t size)
{
    for (size_t row = 0; row < ROWS;) {
        sledstore_txn *txn;
        must(sledstore_txn_begin(store, &txn, &error));
        for (size_t end = row + size; row < end; row++)
            must(sledstore_txn_put(txn, NULL, keys + row * KEY, KEY, values + row * VALUE, VALUE,
                                   &error));
        must(sledstore_txn_commit(txn, 0, &error));
    }
}

static void apply_all(sledstore *store, const char *from)
{
    sledstore_batch *batch;
    must(sledstore_batch_new(&batch, &error));
    for (size_t row = 0; row < ROWS;) {
        for (size_t end = row + 1000; row < end; row++)
            must(sledstore_batch_put(batch, NULL, from + row * KEY, KEY, values + row * VALUE,
                                     VALUE, &error));
        must(sledstore_batch_apply(store, batch, 0, &error));
        must(sledstore_batch_clear(batch, &error));
    }
    sledstore_batch_free(batch);
}

static void take_snapshots(sledstore *store)
{
    for (size_t row = 0; row < ROWS; row++) {
        sledstore_snapshot *snapshot;
        must(sledstore_snapshot_new(store, &snapshot, &error));
        sledstore_snapshot_free(snapshot);
    }
}

/* The floor under every call that writes to a log: a system call, and a copy into the page cache. */
static void write_all(const char *path)
{
    FILE *file = fopen(path, "w+");
    if (file == NULL) fail("no file");
    for (size_t row = 0; row < ROWS; row++)
        if (pwrite(fileno(file), values, 180, (off_t)(row * 180)) != 180)
            fail("a write has failed");
    fclose(file);
}

static void run(enum work work, sledstore *store)
{
    switch (work) {
    case PUT: put_all(store); break;
    case GET_WRITTEN:
    case GET_SETTLED: get_all(store, 0, SLEDSTORE_OK); break;
    case GET_MISSING: get_all(store, ROWS, SLEDSTORE_KEY_NOT_FOUND); break;
    case SCAN: scan(store); break;
    case TXN_1: commit_all(store, 1); break;
    case TXN_10: commit_all(store, 10); break;
    case BATCH_1000: apply_all(store, sorted); break;
    case BATCH_1000_RANDOM: apply_all(store, keys); break;
    default: take_snapshots(store);
    }
}

static double measure(enum work work, const char *path)
{
    sledstore *store;
    double begun;
    if (work == PWRITE) {
        begun = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        write_all(path);
        begun = clock_ns(CLOCK_THREAD_CPUTIME_ID) - begun;
    } else {
        store = open_store(path);
        put_all(store);
        if (work != GET_WRITTEN) {
            must(sledstore_close(store, &error));
            store = open_store(path);
        }
        begun = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        run(work, store);
        begun = clock_ns(CLOCK_THREAD_CPUTIME_ID) - begun;
        must(sledstore_close(store, &error));
    }
    remove_all(path);
    return begun / ROWS;
}

int main(int count, char **arguments)
{
    static double results[WORKS][MOST_ROUNDS];
    int rounds = count > 2 ? atoi(arguments[2]) : 5;
    char path[4096];
    if (count < 2 || rounds < 1 || rounds > MOST_ROUNDS) {
        fprintf(stderr, "usage: %s DIRECTORY [ROUNDS (1 to %d)]\n", arguments[0], MOST_ROUNDS);
        return 2;
    }
    snprintf(path, sizeof path, "%s/caller", arguments[1]);
    make_rows();
    for (int round = 0; round < rounds; round++)
        for (int work = 0; work < WORKS; work++) results[work][round] = measure(work, path);
    printf("CPU time of the caller, %d rows of %d + %d bytes, medians of %d rounds.\n\n", ROWS, KEY,
           VALUE, rounds);
    printf("| work | ns |\n|---|---|\n");
    for (int work = 0; work < WORKS; work++)
        printf("| %s | %.0f |\n", names[work], quantile(results[work], (size_t)rounds, 0.5));
    return 0;
}
