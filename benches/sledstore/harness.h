/* What the benchmarks of sledstore alone share. A call that fails ends the program: a figure of a run
 * that failed would be worth nothing. */
#ifndef HARNESS_H
#define HARNESS_H

#include <stdio.h>

#include <sledstore.h>

#include "../common/bench.h"

/* The reason of the last failure of this thread. */
static _Thread_local sledstore_error *error;

static inline _Noreturn void fail(const char *words)
{
    fprintf(stderr, "%s\n", words);
    exit(1);
}

static inline sledstore_status must(sledstore_status status)
{
    if (status < 0) fail(error ? sledstore_error_message(error) : sledstore_status_message(status));
    return status;
}

static inline void expect(sledstore_status status, sledstore_status expected)
{
    if (must(status) != expected) fail("the answer is another one than expected");
}

static inline sledstore *open_store(const char *path)
{
    sledstore *store;
    must(sledstore_open(path, NULL, &store, &error));
    return store;
}

/* How long calls took: counts by length, 64 classes for each doubling, so that a quantile is right within 2 %
 * and the memory that is measured is not that of the measuring. */
struct lengths {
    uint32_t counts[64 * 40];
    uint64_t calls;
    double longest;
};

static inline void note(struct lengths *lengths, double ns)
{
    uint64_t whole = ns < 64 ? 64 : (uint64_t)ns;
    int octave = 63 - __builtin_clzll(whole);
    size_t class = (size_t)(octave - 6) * 64 + (whole >> (octave - 6)) - 64;
    size_t last = sizeof lengths->counts / sizeof *lengths->counts - 1;
    lengths->counts[class < last ? class : last]++;
    lengths->calls++;
    if (ns > lengths->longest) lengths->longest = ns;
}

/* The nanoseconds that a `part` of the calls did not exceed. */
static inline double length_at(const struct lengths *lengths, double part)
{
    uint64_t below = 0, wanted = (uint64_t)(part * (double)lengths->calls);
    size_t class = 0;
    while (below + lengths->counts[class] <= wanted && below < lengths->calls)
        below += lengths->counts[class ++];
    return (double)((64 + class % 64 + 1) << (class / 64));
}

static inline void remove_all(const char *path)
{
    char command[4200];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    if (system(command) != 0) fail("files of a store cannot be removed");
}

#endif
