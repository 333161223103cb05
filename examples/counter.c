/*
 * counter: merge operators. Visits of pages are counted, and the pages of each visitor listed, without
 * reading anything first; and an operator of the program's own keeps the best three times of a race.
 *     build/counter      eight threads count at once, and nothing is lost
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sledstore.h"

enum { THREADS = 8, VISITS = 3000, PAGES = 5, BEST = 3 };

static sledstore *pages, *visitors, *race; /* three keyspaces of one store */

static void check(const char *task, sledstore_status status)
{
    if (status >= 0) return;
    fprintf(stderr, "counter: cannot %s: %s\n", task, sledstore_status_name(status));
    exit(1);
}

/* Counts a visit in two keyspaces at one moment. */
static void visit(uint32_t visitor, uint32_t page, sledstore_batch *batch)
{
    const unsigned char one[8] = {1}; /* little-endian */
    char name[8];
    int length = snprintf(name, sizeof name, "%u", page);
    check("empty a batch", sledstore_batch_clear(batch, NULL));
    check("count a page",
          sledstore_batch_merge(batch, pages, &page, sizeof page, one, sizeof one, NULL));
    check("list a page", sledstore_batch_merge(batch, visitors, &visitor, sizeof visitor, name,
                                               (size_t)length, NULL));
    check("apply a batch", sledstore_batch_apply(pages, batch, 0, NULL));
}

/* The operand is one time; the value the best ones so far, in their order. Called without a lock, and
 * again if another thread was faster: it computes, and does nothing else. */
static int32_t keep_the_best(void *ctx, const sledstore_bytes *key, const sledstore_bytes *old,
                             const sledstore_bytes *operand, sledstore_sink *sink)
{
    uint32_t times[BEST + 1], swap;
    size_t count = old == NULL ? 0 : old->len / sizeof *times;
    (void)ctx;
    (void)key;
    if (count > BEST || operand->len != sizeof *times) return SLEDSTORE_MERGE_FAIL;
    if (old != NULL) memcpy(times, old->data, old->len);
    memcpy(&times[count], operand->data, sizeof *times);
    for (size_t at = count; at > 0 && times[at] < times[at - 1]; at--) {
        swap = times[at];
        times[at] = times[at - 1];
        times[at - 1] = swap;
    }
    if (++count > BEST) count = BEST;
    return sledstore_sink_write(sink, times, count * sizeof *times, NULL);
}

static void *thread(void *number)
{
    uint32_t me = *(uint32_t *)number;
    sledstore_batch *batch;
    check("make a batch", sledstore_batch_new(&batch, NULL));
    for (uint32_t i = 0; i < VISITS; i++) {
        uint32_t time = 1000 + (i * THREADS + me) * 7919 % (THREADS * VISITS); /* each once */
        visit(me, i % PAGES, batch);
        check("enter a time", sledstore_merge(race, "race", 4, &time, sizeof time, NULL));
    }
    check("free a batch", sledstore_batch_free(batch));
    return NULL;
}

static uint64_t visits_of(uint32_t page)
{
    unsigned char bytes[8] = {0};
    uint64_t count = 0;
    size_t len;
    check("read a counter",
          sledstore_get_into(pages, &page, sizeof page, bytes, sizeof bytes, &len, NULL));
    for (int at = 7; at >= 0; at--) count = count << 8 | bytes[at];
    return count;
}

int main(void)
{
    pthread_t threads[THREADS];
    uint32_t numbers[THREADS], best[BEST] = {0}, visitor = 0;
    size_t len = 0, listed = 0;
    int wrong = 0;
    sledstore_merge_operator best_times = SLEDSTORE_MERGE_OPERATOR_INIT;
    best_times.merge = keep_the_best;
    check("open a store", sledstore_open_temporary(NULL, &pages, NULL));
    check("open a keyspace", sledstore_open_keyspace(pages, "visitors", 8, 0, &visitors, NULL));
    check("open a keyspace", sledstore_open_keyspace(pages, "race", 4, 0, &race, NULL));
    check("set an operator", sledstore_set_builtin_merge(pages, SLEDSTORE_MERGE_ADD_SATURATING,
                                                         SLEDSTORE_MERGE_U64_LE, NULL, 0, NULL));
    check("set an operator", sledstore_set_builtin_merge(visitors, SLEDSTORE_MERGE_APPEND,
                                                         SLEDSTORE_MERGE_BYTES, " ", 1, NULL));
    check("set an operator", sledstore_set_merge_operator(race, &best_times, NULL));
    for (uint32_t i = 0; i < THREADS; i++) {
        numbers[i] = i;
        if (pthread_create(&threads[i], NULL, thread, &numbers[i]) != 0)
            check("start a thread", SLEDSTORE_OTHER);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (uint32_t page = 0; page < PAGES; page++) {
        printf("page %u: %llu visits\n", page, (unsigned long long)visits_of(page));
        wrong += visits_of(page) != THREADS * VISITS / PAGES;
    }
    check("read a list",
          sledstore_get_into(visitors, &visitor, sizeof visitor, NULL, 0, &listed, NULL));
    check("read the times", sledstore_get_into(race, "race", 4, best, sizeof best, &len, NULL));
    printf("visitor 0 has a list of %u bytes; the best times are %u, %u and %u\n", (unsigned)listed,
           best[0], best[1], best[2]);
    wrong += listed != 2 * VISITS - 1; /* digits, with spaces between */
    wrong += best[0] != 1000 || best[1] != 1001 || best[2] != 1002;
    check("close the store", sledstore_close(pages, NULL));
    return wrong != 0;
}
