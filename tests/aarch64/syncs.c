/*
 * Flushes a store, and then syncs a file of its own with its own sync_file_range. What reaches the kernel is looked at from
 * outside, between the marks that this writes to stderr: see the script `run`.
 */
#define _GNU_SOURCE /* for sync_file_range */
#include <fcntl.h>
#include <unistd.h>
#include "sledstore.h"

static bool mark(const char *text, size_t len) {
    return write(STDERR_FILENO, text, len) == (ssize_t)len;
}

int main(void) {
    sledstore *store;
    if (sledstore_open("store", NULL, &store, NULL) != SLEDSTORE_OK) return 2;
    if (!mark("put\n", 4)) return 3;
    if (sledstore_put(store, "key", 3, "value", 5, NULL) != SLEDSTORE_OK) return 4;
    if (sledstore_flush(store, NULL) != SLEDSTORE_OK) return 5;
    if (!mark("flushed\n", 8)) return 6;
    int own = open("own", O_RDWR | O_CREAT, 0600);
    if (own < 0 || write(own, "bytes", 5) != 5) return 7;
    if (sync_file_range(own, 4096, 8192, SYNC_FILE_RANGE_WRITE) != 0) return 8;
    return sledstore_close(store, NULL) == SLEDSTORE_OK ? 0 : 9;
}
