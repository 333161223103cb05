#define _GNU_SOURCE
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../common/bench.h"
#include "work.h"

enum { DURABLE = 400, THREADS = 32 };

const char *const names[WORKS] = {
    "put, random keys",
    "overwrite",
    "put with a TTL",
    "batch of 10, a row",
    "batch of 100, a row",
    "batch of 1000, sorted, a row",
    "batch of 1000, random, a row",
    "transaction of 1",
    "transaction of 10, a row",
    "transaction of 100, a row",
    "get",
    "get, missing key",
    "get, 2 threads",
    "95 % get, 5 % put, 2 threads",
    "full scan, a row",
    "full scan backwards, a row",
    "delete",
    "open, ms",
    "close, ms",
    "memory at its most, MiB",
    "on the disk after the first close, MiB",
    "durable put",
    "durable put, 8 threads",
    "durable put, 32 threads",
};

/* Puts rows by batches or transactions of `size`; new keys from `from` on. Answers with the time a row. */
static double in_batches(const struct peer *peer, void *store, uint64_t from, long rows, int size,
                         int transaction, int sorted)
{
    char value[VALUE], *keys = malloc((size_t)rows * KEY);
    double begun;
    rows -= rows % size;
    for (long row = 0; row < rows; row++) make_key(keys + row * KEY, from + (uint64_t)row);
    if (sorted) qsort(keys, (size_t)rows, KEY, by_key);
    begun = now();
    for (long row = 0; row < rows;) {
        void *batch = peer->begin(store, transaction);
        for (int place = 0; place < size; place++, row++) {
            make_value(value, from + (uint64_t)row);
            peer->add(batch, keys + row * KEY, KEY, value, VALUE);
        }
        peer->commit(batch);
    }
    free(keys);
    return (now() - begun) / (double)rows;
}

/* What one of several threads does. */
struct part {
    const struct peer *peer;
    void *store;
    uint64_t from;
    long count, rows;
    int puts_of_100;
};

static void *write_durably(void *argument)
{
    struct part *part = argument;
    char key[KEY], value[VALUE];
    for (long row = 0; row < part->count; row++) {
        make_key(key, part->from + (uint64_t)row);
        make_value(value, part->from + (uint64_t)row);
        part->peer->put(part->store, key, KEY, value, VALUE);
    }
    return NULL;
}

/* Gets rows that are there, and overwrites some. */
static void *get_and_put(void *argument)
{
    struct part *part = argument;
    char key[KEY], value[MAX_VALUE];
    for (long row = 0; row < part->count; row++) {
        uint64_t random = mix(part->from + (uint64_t)row);
        make_key(key, random % (uint64_t)part->rows);
        if ((int)(random >> 40) % 100 < part->puts_of_100) {
            make_value(value, random);
            part->peer->put(part->store, key, KEY, value, VALUE);
        } else {
            must(part->peer->get(part->store, key, KEY, value, sizeof value) == VALUE,
                 part->peer->name, "a row is missing");
        }
    }
    return NULL;
}

/* Lets so many threads do `work`, each `part` once, from other places on. Answers with the time for each of
 * all that they did. */
static double in_threads(struct part part, int threads, void *(*work)(void *))
{
    struct part parts[THREADS];
    pthread_t handles[THREADS];
    double begun = now();
    for (int thread = 0; thread < threads; thread++) {
        parts[thread] = part;
        parts[thread].from += (uint64_t)(thread * part.count);
        must(pthread_create(&handles[thread], NULL, work, &parts[thread]) == 0, part.peer->name,
             "no thread");
    }
    for (int thread = 0; thread < threads; thread++) pthread_join(handles[thread], NULL);
    return (now() - begun) / (double)(part.count * threads);
}

static double durable(const struct peer *peer, void *store, uint64_t from, int threads)
{
    long count = DURABLE / threads < 25 ? 25 : DURABLE / threads;
    return in_threads((struct part){peer, store, from, count, 0, 100}, threads, write_durably);
}

static void measure_writes(const struct peer *peer, void *store, long rows, double *result)
{
    char key[KEY], value[VALUE];
    long some = rows / 5;
    uint64_t fresh = (uint64_t)rows;
    double begun = now();
    for (long row = 0; row < rows; row++) {
        make_key(key, (uint64_t)row);
        make_value(value, (uint64_t)row);
        peer->put(store, key, KEY, value, VALUE);
    }
    result[FILL] = (now() - begun) / (double)rows;
    begun = now();
    for (long row = 0; row < some; row++) {
        make_key(key, mix((uint64_t)row) % (uint64_t)rows);
        make_value(value, (uint64_t)(rows + row));
        peer->put(store, key, KEY, value, VALUE);
    }
    result[OVERWRITE] = (now() - begun) / (double)some;
    if (peer->put_with_ttl) {
        long few = some / 10;
        begun = now();
        for (long row = 0; row < few; row++) {
            make_key(key, mix((uint64_t)row) % (uint64_t)rows);
            make_value(value, (uint64_t)row);
            peer->put_with_ttl(store, key, KEY, value, VALUE);
        }
        result[PUT_TTL] = (now() - begun) / (double)few;
    }
    const struct {
        enum work work;
        int size, transaction, sorted;
    } kinds[] = {
        {BATCH_10, 10, 0, 0},
        {BATCH_100, 100, 0, 0},
        {BATCH_1000_SORTED, 1000, 0, 1},
        {BATCH_1000_RANDOM, 1000, 0, 0},
        {TXN_1, 1, 1, 0},
        {TXN_10, 10, 1, 0},
        {TXN_100, 100, 1, 0},
    };
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
        long part = kinds[kind].size == 1 ? some / 4 : some / 2;
        result[kinds[kind].work] = in_batches(peer, store, fresh, part, kinds[kind].size,
                                              kinds[kind].transaction, kinds[kind].sorted);
        fresh += (uint64_t)part;
    }
}

static void measure_reads(const struct peer *peer, void *store, long rows, double *result)
{
    char key[KEY], value[MAX_VALUE];
    long some = rows / 5, found = 0;
    double begun = now();
    for (long row = 0; row < some; row++) {
        make_key(key, mix((uint64_t)(row + 7)) % (uint64_t)rows);
        found += peer->get(store, key, KEY, value, sizeof value) == VALUE;
    }
    result[GET] = (now() - begun) / (double)some;
    must(found == some, peer->name, "rows are missing");
    begun = now();
    for (long row = 0; row < some; row++) {
        make_key(key, ((uint64_t)1 << 40) + (uint64_t)row);
        found += peer->get(store, key, KEY, value, sizeof value) < 0;
    }
    result[GET_MISSING] = (now() - begun) / (double)some;
    must(found == 2 * some, peer->name, "there are rows that nobody wrote");
    result[GET_2] = in_threads((struct part){peer, store, 0, some / 2, rows, 0}, 2, get_and_put);
    for (int down = 0; down < 2; down++) {
        begun = now();
        found = peer->scan(store, down);
        must(found >= rows, peer->name, "the scan misses rows");
        result[down ? SCAN_DOWN : SCAN] = (now() - begun) / (double)found;
    }
    result[MIXED_2] =
        in_threads((struct part){peer, store, (uint64_t)some, some / 2, rows, 5}, 2, get_and_put);
}

static double blocks;

static int add_blocks(const char *path, const struct stat *file, int type, struct FTW *place)
{
    (void)path, (void)type, (void)place;
    blocks += (double)file->st_blocks;
    return 0;
}

/* The MiB that all files in `directory` take. */
static double disk_usage(const char *directory)
{
    blocks = 0;
    must(nftw(directory, add_blocks, 16, FTW_PHYS) == 0, directory,
         "its files cannot be looked at");
    return blocks * 512 / (1 << 20);
}

void measure(const struct peer *peer, const char *directory, long rows, double *result)
{
    char key[KEY], path[4096];
    double begun;
    long some = rows / 5;
    struct rusage usage;
    void *store;
    snprintf(path, sizeof path, "%s/fast", directory);
    store = peer->open(path, 0);
    measure_writes(peer, store, rows, result);
    begun = now();
    peer->close(store);
    result[CLOSE] = (now() - begun) / 1e6;
    result[DISK] = disk_usage(path);
    begun = now();
    store = peer->open(path, 0);
    result[REOPEN] = (now() - begun) / 1e6;
    measure_reads(peer, store, rows, result);
    begun = now();
    for (long row = 0; row < some; row++) {
        make_key(key, (uint64_t)row * 3 % (uint64_t)rows);
        peer->delete (store, key, KEY);
    }
    result[DELETE] = (now() - begun) / (double)some;
    peer->close(store);
    getrusage(RUSAGE_SELF, &usage);
    result[MEMORY] = (double)usage.ru_maxrss / 1024;
    snprintf(path, sizeof path, "%s/durable", directory);
    store = peer->open(path, 1);
    result[DURABLE_1] = durable(peer, store, 0, 1);
    result[DURABLE_8] = durable(peer, store, 1 << 20, 8);
    result[DURABLE_32] = durable(peer, store, 1 << 21, THREADS);
    peer->close(store);
}
