/* What is measured of each store. */
#ifndef WORK_H
#define WORK_H

#include "peer.h"

enum work {
    FILL,
    OVERWRITE,
    PUT_TTL,
    BATCH_10,
    BATCH_100,
    BATCH_1000_SORTED,
    BATCH_1000_RANDOM,
    TXN_1,
    TXN_10,
    TXN_100,
    GET,
    GET_MISSING,
    GET_2,
    MIXED_2,
    SCAN,
    SCAN_DOWN,
    DELETE,
    REOPEN,
    CLOSE,
    MEMORY,
    DISK,
    DURABLE_1,
    DURABLE_8,
    DURABLE_32,
    WORKS
};

extern const char *const names[WORKS];

/* Measures everything in two stores in `directory`, which are left there. What the store does not have stays as
 * it is in `result`. */
void measure(const struct peer *peer, const char *directory, long rows, double *result);

#endif
