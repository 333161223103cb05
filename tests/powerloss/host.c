/*
 * A program that uses a store, and that calls sync_file_range for a file of its own, as does a
 * library that it is linked with. It runs under the recorder, which sees where each call ends up.
 *
 *     host DIRECTORY ROUNDS
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sledstore.h"

enum { DURABLE = 2 }; /* the recorder's mark for the first thread, see tests/powerloss/log.rs */

int second_library_sync(int file); /* in second.c */

static sledstore_error *error;

static void demand(int condition, const char *what) {
    if (condition) return;
    fprintf(stderr, "%s: %s\n", what, error ? sledstore_error_message(error) : "");
    exit(1);
}

static int create(const char *directory, const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int file = open(path, O_RDWR | O_CREAT | O_EXCL, 0644);
    demand(file >= 0, path);
    return file;
}

int main(int count, char **arguments) {
    demand(count == 3, "a directory and a number");
    void (*mark)(uint32_t, uint64_t);
    *(void **)&mark = dlsym(RTLD_DEFAULT, "powerloss_mark");
    demand(mark != NULL, "the recorder is not loaded");

    char path[4096];
    snprintf(path, sizeof path, "%s/store", arguments[1]);
    sledstore *store;
    sledstore_open_options options = SLEDSTORE_OPEN_OPTIONS_INIT;
    options.flush_every_ms = SLEDSTORE_FLUSH_NEVER;
    demand(sledstore_open(path, &options, &store, &error) == SLEDSTORE_OK, "open");
    int own = create(arguments[1], "of the program");
    int other = create(arguments[1], "of the second library");

    for (int round = 0; round < atoi(arguments[2]); round++) {
        demand(write(own, "text", 4) == 4 && write(other, "text", 4) == 4, "write");
        demand(sync_file_range(own, 0, 0, SYNC_FILE_RANGE_WRITE) == 0, "sync_file_range");
        demand(second_library_sync(other) == 0, "sync_file_range of the second library");
        demand(sledstore_put(store, &round, sizeof round, "value", 5, &error) == SLEDSTORE_OK, "put");
        demand(sledstore_flush(store, &error) == SLEDSTORE_OK, "flush");
        mark(DURABLE, (uint64_t)round + 1);
    }
    /* What the kernel says of a bad file is what both of them hear. */
    errno = 0;
    demand(sync_file_range(-1, 0, 0, 0) == -1 && errno == EBADF, "a bad file");
    errno = 0;
    demand(second_library_sync(-1) == -1 && errno == EBADF, "a bad file of the second library");
    demand(sledstore_close(store, &error) == SLEDSTORE_OK, "close");
    return 0;
}
