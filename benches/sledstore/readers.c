/* What a reader feels of what goes on beside it.
 *
 * Usage: readers DIRECTORY [ROWS [ROUNDS [SECONDS]]]
 *
 * One thread gets random rows of a store of so many, all settled at the beginning: alone, beside a thread that
 * applies batches of 100 without a pause, and while one memtable full of overwritten rows is settled. The
 * three take turns; the figures are of the calls of all rounds together. On a machine with two cores the
 * reader, the writer and the checkpoint thread share them, and that is in the figures too. */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "harness.h"

/* So many rows fill most of a memtable of the default size. */
enum { MEMTABLE_ROWS = 140000, BATCH = 100 };

enum kind { ALONE, BESIDE_WRITER, BESIDE_CHECKPOINT, KINDS };

static const char *const names[KINDS] = {
    "alone",
    "beside a writer of batches of 100",
    "beside a running checkpoint",
};

static struct lengths lengths[KINDS];
static double spent[KINDS];
static sledstore *store;
static uint64_t rows;
static atomic_int is_over;
/* No two writes store the same value. */
static uint64_t written;

static void add_row(sledstore_batch *batch)
{
    char key[KEY], value[VALUE];
    make_key(key, mix(written) % rows);
    make_value(value, ++written);
    must(sledstore_batch_put(batch, NULL, key, KEY, value, VALUE, &error));
}

static void apply(sledstore_batch *batch)
{
    must(sledstore_batch_apply(store, batch, 0, &error));
    must(sledstore_batch_clear(batch, &error));
}

static void *write_batches(void *unused)
{
    sledstore_batch *batch;
    must(sledstore_batch_new(&batch, &error));
    while (!is_over) {
        for (int place = 0; place < BATCH; place++) add_row(batch);
        apply(batch);
    }
    sledstore_batch_free(batch);
    return unused;
}

static void *settle(void *unused)
{
    must(sledstore_compact(store, &error));
    is_over = 1;
    return unused;
}

/* Gets rows for so many seconds, or until the other thread is over. */
static void get_rows(enum kind kind, double seconds)
{
    static uint64_t number;
    char key[KEY], value[VALUE];
    size_t length;
    double begun = now(), after = begun;
    while (!is_over && after < begun + seconds * 1e9) {
        double before;
        make_key(key, mix(~number++) % rows);
        before = now();
        expect(sledstore_get_into(store, key, KEY, value, VALUE, &length, &error), SLEDSTORE_OK);
        after = now();
        note(&lengths[kind], after - before);
    }
    spent[kind] += after - begun;
}

static void run(enum kind kind, double seconds)
{
    sledstore_batch *batch;
    pthread_t other;
    if (kind == BESIDE_CHECKPOINT) {
        must(sledstore_batch_new(&batch, &error));
        for (uint64_t row = 0; row < MEMTABLE_ROWS && row < rows; row++) add_row(batch);
        apply(batch);
        sledstore_batch_free(batch);
        seconds = 1e9;
    }
    is_over = 0;
    if (kind != ALONE
        && pthread_create(&other, NULL, kind == BESIDE_WRITER ? write_batches : settle, NULL) != 0)
        fail("no thread");
    get_rows(kind, seconds);
    is_over = 1;
    if (kind != ALONE) pthread_join(other, NULL);
    must(sledstore_compact(store, &error));
}

static void fill(const char *path)
{
    char key[KEY], value[VALUE];
    store = open_store(path);
    for (uint64_t row = 0; row < rows; row++) {
        make_key(key, row);
        make_value(value, row);
        must(sledstore_put(store, key, KEY, value, VALUE, &error));
    }
    must(sledstore_close(store, &error));
    store = open_store(path);
}

int main(int count, char **arguments)
{
    double seconds = count > 4 ? atof(arguments[4]) : 5;
    int rounds = count > 3 ? atoi(arguments[3]) : 3;
    char path[4096];
    rows = count > 2 ? strtoull(arguments[2], NULL, 10) : 1000000;
    if (count < 2 || rows < 1 || rounds < 1 || seconds <= 0) {
        fprintf(stderr, "usage: %s DIRECTORY [ROWS [ROUNDS [SECONDS]]]\n", arguments[0]);
        return 2;
    }
    snprintf(path, sizeof path, "%s/readers", arguments[1]);
    fill(path);
    for (int round = 0; round < rounds; round++)
        for (int kind = 0; kind < KINDS; kind++) run(kind, seconds);
    must(sledstore_close(store, &error));
    remove_all(path);
    printf("Gets of one thread, %llu rows of %d + %d bytes, %d rounds.\n\n",
           (unsigned long long)rows, KEY, VALUE, rounds);
    printf("| gets | ns a get | p50, us | p99, us | p99.9, us | longest, ms | p50 / alone | p99 / "
           "alone |\n"
           "|---|---|---|---|---|---|---|---|\n");
    for (int kind = 0; kind < KINDS; kind++) {
        double half = length_at(&lengths[kind], 0.5), most = length_at(&lengths[kind], 0.99);
        printf("| %s | %.0f | %.1f | %.1f | %.1f | %.1f | %.2f | %.2f |\n", names[kind],
               spent[kind] / (double)lengths[kind].calls, half / 1e3, most / 1e3,
               length_at(&lengths[kind], 0.999) / 1e3, lengths[kind].longest / 1e6,
               half / length_at(&lengths[ALONE], 0.5), most / length_at(&lengths[ALONE], 0.99));
    }
    return 0;
}
