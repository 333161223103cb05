/* sledstore beside the stores that its users would otherwise pick, through the C interface of each.
 *
 * Usage: peers DIRECTORY [ROWS [ROUNDS]]
 *
 * The stores take turns, each round in a process of its own and in an empty directory, with the same
 * keys and values in the same order. A figure is the median over the rounds: wall time of one thread, in
 * nanoseconds a row. Writes go as far as the store takes them without waiting for the disk: a killed
 * process loses none in RocksDB, LevelDB, LMDB and SQLite. The rows "durable" wait for the disk.
 * The figures of one run compare with each other, and with nothing else. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "peer.h"

enum { KEY = 16, VALUE = 100, MOST_ROUNDS = 15, DURABLE = 400, THREADS = 32 };

enum work {
    FILL,
    OVERWRITE,
    PUT_TTL,
    BATCH_10,
    BATCH_1000_SORTED,
    BATCH_1000_RANDOM,
    TXN_1,
    TXN_10,
    TXN_100,
    GET,
    GET_MISSING,
    SCAN,
    SCAN_DOWN,
    DELETE,
    REOPEN,
    CLOSE,
    MEMORY,
    DURABLE_1,
    DURABLE_8,
    DURABLE_32,
    WORKS
};

static const char *const names[WORKS] = {
    "put, random keys",
    "overwrite",
    "put with a TTL",
    "batch of 10, a row",
    "batch of 1000, sorted, a row",
    "batch of 1000, random, a row",
    "transaction of 1",
    "transaction of 10, a row",
    "transaction of 100, a row",
    "get",
    "get, missing key",
    "full scan, a row",
    "full scan backwards, a row",
    "delete",
    "open, ms",
    "close, ms",
    "memory at its most, MiB",
    "durable put",
    "durable put, 8 threads",
    "durable put, 32 threads",
};

static const struct peer *const peers[] = {
    &peer_sledstore,
#ifdef HAVE_ROCKSDB
    &peer_rocksdb,
#endif
#ifdef HAVE_LEVELDB
    &peer_leveldb,
#endif
#ifdef HAVE_LMDB
    &peer_lmdb,
#endif
#ifdef HAVE_SQLITE
    &peer_sqlite,
#endif
};

enum { PEERS = sizeof peers / sizeof *peers };

void must(int ok, const char *store, const char *words)
{
    if (ok) return;
    fprintf(stderr, "%s: %s\n", store, words ? words : "failed");
    exit(1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

static void make_key(char *key, uint64_t number)
{
    uint64_t halves[2] = {mix(number), mix(~number)};
    memcpy(key, halves, KEY);
}

/* Bytes that no store can compress. */
static void make_value(char *value, uint64_t number)
{
    for (size_t at = 0; at < VALUE; at += 8) {
        uint64_t part = mix(number * 31 + at);
        memcpy(value + at, &part, VALUE - at < 8 ? VALUE - at : 8);
    }
}

static int by_key(const void *left, const void *right)
{
    return memcmp(left, right, KEY);
}

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

struct writer {
    const struct peer *peer;
    void *store;
    uint64_t from;
    long rows;
};

static void *write_durably(void *argument)
{
    struct writer *writer = argument;
    char key[KEY], value[VALUE];
    for (long row = 0; row < writer->rows; row++) {
        make_key(key, writer->from + (uint64_t)row);
        make_value(value, writer->from + (uint64_t)row);
        writer->peer->put(writer->store, key, KEY, value, VALUE);
    }
    return NULL;
}

static double durable(const struct peer *peer, void *store, uint64_t from, int threads)
{
    struct writer writers[THREADS];
    pthread_t handles[THREADS];
    long rows = DURABLE / threads < 25 ? 25 : DURABLE / threads;
    double begun = now();
    for (int thread = 0; thread < threads; thread++) {
        writers[thread] = (struct writer){peer, store, from + (uint64_t)(thread * rows), rows};
        must(pthread_create(&handles[thread], NULL, write_durably, &writers[thread]) == 0,
             peer->name, "no thread");
    }
    for (int thread = 0; thread < threads; thread++) pthread_join(handles[thread], NULL);
    return (now() - begun) / (double)(rows * threads);
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
    for (int down = 0; down < 2; down++) {
        begun = now();
        found = peer->scan(store, down);
        must(found >= rows, peer->name, "the scan misses rows");
        result[down ? SCAN_DOWN : SCAN] = (now() - begun) / (double)found;
    }
}

static void measure(const struct peer *peer, const char *directory, long rows, double *result)
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

/* One round of one store, in a process of its own. */
static void round_of(const struct peer *peer, const char *directory, long rows, double *result)
{
    char command[4200];
    int ends[2], status;
    pid_t child;
    fflush(stdout);
    must(pipe(ends) == 0, peer->name, "no pipe");
    child = fork();
    must(child >= 0, peer->name, "no process");
    if (child == 0) {
        double own[WORKS];
        for (int work = 0; work < WORKS; work++) own[work] = -1;
        measure(peer, directory, rows, own);
        _exit(write(ends[1], own, sizeof own) == (ssize_t)sizeof own ? 0 : 1);
    }
    close(ends[1]);
    must(read(ends[0], result, sizeof(double) * WORKS) == (ssize_t)(sizeof(double) * WORKS),
         peer->name, "it has failed");
    close(ends[0]);
    waitpid(child, &status, 0);
    snprintf(command, sizeof command, "rm -rf '%s/fast' '%s/durable'", directory, directory);
    must(system(command) == 0, peer->name, "its files cannot be removed");
}

static int by_size(const void *left, const void *right)
{
    double one = *(const double *)left, other = *(const double *)right;
    return (one > other) - (one < other);
}

int main(int count, char **arguments)
{
    static double results[PEERS][WORKS][MOST_ROUNDS];
    long rows = count > 2 ? atol(arguments[2]) : 1000000;
    int rounds = count > 3 ? atoi(arguments[3]) : 3;
    if (count < 2 || rows < 10000 || rounds < 1 || rounds > MOST_ROUNDS) {
        fprintf(stderr, "usage: %s DIRECTORY [ROWS (10000 or more) [ROUNDS (1 to %d)]]\n",
                arguments[0], MOST_ROUNDS);
        return 2;
    }
    for (int round = 0; round < rounds; round++)
        for (int peer = 0; peer < PEERS; peer++) {
            double result[WORKS];
            fprintf(stderr, "round %d of %d: %s\n", round + 1, rounds, peers[peer]->name);
            round_of(peers[peer], arguments[1], rows, result);
            for (int work = 0; work < WORKS; work++) results[peer][work][round] = result[work];
        }
    printf("%ld rows of %d + %d bytes, medians of %d rounds, ns a row unless it says "
           "otherwise.\n\n",
           rows, KEY, VALUE, rounds);
    printf("| work |");
    for (int peer = 0; peer < PEERS; peer++) printf(" %s |", peers[peer]->name);
    printf("\n|---|");
    for (int peer = 0; peer < PEERS; peer++) printf("---|");
    for (int work = 0; work < WORKS; work++) {
        printf("\n| %s |", names[work]);
        for (int peer = 0; peer < PEERS; peer++) {
            double *all = results[peer][work];
            qsort(all, (size_t)rounds, sizeof *all, by_size);
            all[rounds / 2] < 0 ? printf(" - |") : printf(" %.0f |", all[rounds / 2]);
        }
    }
    printf("\n");
    return 0;
}
