/*
 * Two Rust libraries in one program: each panics inside, catches it, and the program goes on.
 *
 * The other library panics on request. sledstore has to be hurt: its engine panics over every other log in which
 * a byte has flipped, and the library makes a status of that. It would find the byte first, were it not for
 * the missing mark: a store without one is taken for one of the reference's. Whether the engine panics depends
 * on the byte, so this tries many. The script that runs this looks for the panic in the messages.
 */
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include "sledstore.h"

enum { ROWS = 20000, TRIALS = 16 };

bool other_catches_a_panic(void);

static bool fill(const char *directory) {
    sledstore *store;
    char key[16], value[100] = "";
    sledstore_open_options options = SLEDSTORE_OPEN_OPTIONS_INIT;
    options.segment_size = 524288; /* so that the log has several */
    if (sledstore_open(directory, &options, &store, NULL) != SLEDSTORE_OK) return false;
    for (unsigned i = 0; i < ROWS; i++) {
        int length = snprintf(key, sizeof key, "%u", i * 7919 % ROWS);
        if (sledstore_put(store, key, (size_t)length, value, sizeof value, NULL) != SLEDSTORE_OK) return false;
    }
    return sledstore_close(store, NULL) == SLEDSTORE_OK;
}

/* Changes one byte, so far into the file. */
static bool flip(const char *log, int numerator, int denominator) {
    FILE *file = fopen(log, "r+b");
    struct stat status;
    if (file == NULL || stat(log, &status) != 0) return false;
    long place = (long)(status.st_size / denominator * numerator);
    int byte = fseek(file, place, SEEK_SET) == 0 ? fgetc(file) : EOF;
    bool done = byte != EOF && fseek(file, place, SEEK_SET) == 0 && fputc(byte ^ 0x10, file) != EOF;
    return fclose(file) == 0 && done;
}

int main(int argc, char **argv) {
    char directory[4096], log[4200], mark[4200];
    sledstore *store;
    sledstore_error *error;
    if (argc != 2) return 2;
    for (int trial = 0; trial < TRIALS; trial++) {
        if (!other_catches_a_panic()) return 3;
        snprintf(directory, sizeof directory, "%s/%d", argv[1], trial);
        snprintf(log, sizeof log, "%s/db", directory);
        snprintf(mark, sizeof mark, "%s/sledstore.mark", directory);
        if (!fill(directory) || remove(mark) != 0) return 4;
        if (!flip(log, trial + 1, TRIALS + 3)) return 5;
        sledstore_status status = sledstore_open(directory, NULL, &store, &error);
        fprintf(stderr, "opening the damaged store: %s %s\n", sledstore_status_name(status),
                sledstore_error_message(error));
        sledstore_error_free(error);
        if (status == SLEDSTORE_OK && sledstore_close(store, NULL) != SLEDSTORE_OK) return 6;
    }
    return 0;
}
