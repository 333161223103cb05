/*
 * A program that has a store open and calls, for files of its own, what the library has stand-ins for,
 * as does a library that it is linked with. It runs under the recorder.
 *
 *     calls_program DIRECTORY
 */
#define _GNU_SOURCE
#include <stdlib.h>

#include "calls.h"
#include "sledstore.h"

int second_library_calls(const char *directory); /* in calls_library.c */

static sledstore_error *error;

static void demand(int condition, const char *what) {
    if (condition) return;
    fprintf(stderr, "%s: %s\n", what, error ? sledstore_error_message(error) : "");
    exit(1);
}

/* What failed for others is no failure of the store. */
static void use(sledstore *store, const char *key) {
    demand(sledstore_put(store, key, strlen(key), "value", 5, &error) == SLEDSTORE_OK, "put");
    demand(sledstore_flush(store, &error) == SLEDSTORE_OK, "flush");
}

int main(int count, char **arguments) {
    demand(count == 2, "a directory");
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/store", arguments[1]);
    sledstore *store;
    demand(sledstore_open(path, NULL, &store, &error) == SLEDSTORE_OK, "open");
    use(store, "first");

    /* One of them goes by relative paths, and the other by absolute ones. */
    demand(chdir(arguments[1]) == 0, "chdir");
    demand(check_calls("program") == 0, "the program's own calls");
    use(store, "second");
    snprintf(path, sizeof path, "%s/library", arguments[1]);
    demand(second_library_calls(path) == 0, "the calls of the second library");
    use(store, "third");
    demand(sledstore_close(store, &error) == SLEDSTORE_OK, "close");
    demand(check_calls("afterwards") == 0, "the program's own calls, with no store open");
    return 0;
}
