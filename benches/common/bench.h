/* What the benchmarks in C share: clocks, keys, values, medians and quantiles. */
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { KEY = 16, VALUE = 100 };

/* Nanoseconds of `clock`: CLOCK_MONOTONIC tells the time, CLOCK_THREAD_CPUTIME_ID how long the calling
 * thread has computed, which what else the machine does changes less. */
static inline double clock_ns(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static inline double now(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

static inline uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

/* The key with this number: spread over the whole range, as hashes and random identifiers are. */
static inline void make_key(char *key, uint64_t number)
{
    uint64_t halves[2] = {mix(number), mix(~number)};
    memcpy(key, halves, KEY);
}

/* Bytes that no store can compress. */
static inline void make_value(char *value, uint64_t number)
{
    for (size_t at = 0; at < VALUE; at += 8) {
        uint64_t part = mix(number * 31 + at);
        memcpy(value + at, &part, VALUE - at < 8 ? VALUE - at : 8);
    }
}

static inline int by_key(const void *left, const void *right)
{
    return memcmp(left, right, KEY);
}

static inline int by_size(const void *left, const void *right)
{
    double one = *(const double *)left, other = *(const double *)right;
    return (one > other) - (one < other);
}

/* Sorts `values`; answers with the one that a `part` of them does not exceed: 0.5 is the median. */
static inline double quantile(double *values, size_t count, double part)
{
    qsort(values, count, sizeof *values, by_size);
    return values[(size_t)(part * (double)(count - 1) + 0.5)];
}

#endif
