/*
 * snapshot: reads a store as it was, while it changes.
 *     build/snapshot     fills a store, takes a snapshot, rewrites everything, and compares
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sledstore.h"

enum { ROWS = 10000 };

static void check(const char *task, sledstore_status status)
{
    if (status >= 0) return;
    fprintf(stderr, "snapshot: cannot %s: %s\n", task, sledstore_status_name(status));
    exit(1);
}

static void write_all(sledstore *store, const char *value)
{
    for (int row = 0; row < ROWS; row++) {
        char key[16];
        int len = snprintf(key, sizeof key, "row %05d", row);
        check("write", sledstore_put(store, key, (size_t)len, value, strlen(value), NULL));
    }
}

/* How many rows of an iterator have this value. */
static int rows_with(sledstore_iter *rows, const char *value)
{
    sledstore_pair row;
    sledstore_status status;
    int count = 0;
    while ((status = sledstore_iter_next(rows, &row, NULL)) == SLEDSTORE_OK)
        count +=
            row.value.len == strlen(value) && memcmp(row.value.data, value, row.value.len) == 0;
    check("go on", status);
    check("free an iterator", sledstore_iter_free(rows));
    return count;
}

int main(void)
{
    sledstore *store;
    sledstore_snapshot *before;
    sledstore_iter *rows;
    uint64_t versions, bytes;
    int then, now;
    check("open", sledstore_open_temporary(NULL, &store, NULL));
    write_all(store, "old");

    /* Takes no time, whatever the size of the store, and stops nobody. */
    check("take a snapshot", sledstore_snapshot_new(store, &before, NULL));
    write_all(store, "new");

    check("read the snapshot", sledstore_snapshot_iter_new(before, NULL, NULL, &rows, NULL));
    then = rows_with(rows, "old");
    check("read the store", sledstore_iter_new(store, NULL, &rows, NULL));
    now = rows_with(rows, "new");
    printf("%d rows: %d are old in the snapshot, %d are new in the store\n", ROWS, then, now);

    /* The price: what was overwritten since is kept in memory, until the snapshot is freed. */
    check("ask", sledstore_snapshot_stats(store, NULL, &versions, &bytes, NULL));
    printf("%llu rows are kept for it, in about %llu bytes", (unsigned long long)versions,
           (unsigned long long)bytes);
    check("free the snapshot", sledstore_snapshot_free(before));
    check("ask", sledstore_snapshot_stats(store, NULL, &versions, &bytes, NULL));
    printf("; %llu when it is freed\n", (unsigned long long)versions);
    check("close", sledstore_close(store, NULL));
    return then != ROWS || now != ROWS || versions != 0;
}
