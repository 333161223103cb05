/* The current row of an iterator: shown again, and how long it lives. */
#include "check.h"

#include <pthread.h>

enum { HOUR = 3600000 };

static sledstore *open_with_rows(void)
{
    sledstore *store = check_open("store");
    check_put(store, "a", "1");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_put_with_ttl(store, TEXT("b"), TEXT("2"), HOUR, &error));
    check_put(store, "c", "3");
    return store;
}

static void free_iter(sledstore_iter *iter)
{
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_free(iter));
}

static void check_ttl(sledstore_iter *iter, int32_t expected)
{
    uint64_t ttl_ms = 7;
    CHECK_STATUS(expected, sledstore_iter_ttl(iter, &ttl_ms, &error));
    CHECK(expected == SLEDSTORE_OK ? ttl_ms > 0 && ttl_ms <= HOUR : ttl_ms == 0);
}

/* Moves to b, and looks at it twice. */
static void check_current(sledstore_iter *iter)
{
    sledstore_pair row, again;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_seek(iter, TEXT("b"), &row, &error));
    check_ttl(iter, SLEDSTORE_OK);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_current(iter, &again, &error));
    CHECK_ROW(again, "b", "2");
    CHECK_ROW(row, "b", "2"); /* what the move has shown stays */
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_next(iter, &row, &error));
    CHECK_ROW(row, "c", "3");
    check_ttl(iter, SLEDSTORE_NO_TTL);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_current(iter, &again, &error));
    CHECK_ROW(again, "c", "3");
    free_iter(iter);
}

TEST(current_row_is_shown_again_with_its_life_by_every_kind_of_iterator)
{
    sledstore *store = open_with_rows();
    sledstore_iter *iter;
    sledstore_snapshot *snapshot;
    sledstore_txn *txn;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_new(store, NULL, &iter, &error));
    check_current(iter);

    CHECK_STATUS(SLEDSTORE_OK, sledstore_snapshot_new(store, &snapshot, &error));
    check_put(store, "b", "later");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_snapshot_iter_new(snapshot, NULL, NULL, &iter, &error));
    check_current(iter);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_snapshot_free(snapshot));

    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_begin(store, &txn, &error));
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_txn_put_with_ttl(txn, NULL, TEXT("b"), TEXT("2"), HOUR, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_iter_new(txn, NULL, NULL, &iter, &error));
    check_current(iter);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_rollback(txn, &error));
    check_close(store);
}

TEST(iterator_outside_of_the_rows_has_no_current_row)
{
    sledstore *store = open_with_rows();
    sledstore_iter *iter;
    sledstore_pair row;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_new(store, NULL, &iter, &error));
    check_ttl(iter, SLEDSTORE_END);
    CHECK_STATUS(SLEDSTORE_END, sledstore_iter_current(iter, &row, &error));
    CHECK_NO_ROW(row);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_last(iter, &row, &error));
    CHECK_STATUS(SLEDSTORE_END, sledstore_iter_next(iter, &row, &error));
    check_ttl(iter, SLEDSTORE_END);
    CHECK_STATUS(SLEDSTORE_END, sledstore_iter_current(iter, &row, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_prev(iter, &row, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_current(iter, &row, &error));
    CHECK_ROW(row, "c", "3");
    free_iter(iter);
    check_close(store);
}

TEST(current_row_after_many_at_once_is_the_last_of_them)
{
    sledstore *store = open_with_rows();
    sledstore_iter *iter;
    sledstore_pair rows[3], row;
    size_t count;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_new(store, NULL, &iter, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_next_batch(iter, rows, 2, &count, &error));
    CHECK_NUMBER(2, count);
    check_ttl(iter, SLEDSTORE_OK);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_current(iter, &row, &error));
    CHECK_ROW(row, "b", "2");
    CHECK_ROW(rows[0], "a", "1"); /* the rows stay too */
    CHECK_ROW(rows[1], "b", "2");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_next_batch(iter, rows, 3, &count, &error));
    CHECK_NUMBER(1, count);
    CHECK_STATUS(SLEDSTORE_END, sledstore_iter_current(iter, &row, &error));
    free_iter(iter);
    check_close(store);
}

TEST(current_row_that_has_expired_meanwhile_stays_with_no_life)
{
    sledstore *store = check_open("store");
    sledstore_iter *iter;
    sledstore_pair row;
    uint64_t ttl_ms = 1;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_put_with_ttl(store, TEXT("a"), TEXT("1"), 60000, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_put_with_ttl(store, TEXT("b"), TEXT("2"), 300, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_new(store, NULL, &iter, &error));
    if (sledstore_iter_last(iter, &row, NULL) != SLEDSTORE_OK
        || *(const char *)row.key.data == 'a') {
        check_skip("the machine was too slow");
    }
    while (ttl_ms > 0) {
        CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_ttl(iter, &ttl_ms, &error));
        check_pause();
    }
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_current(iter, &row, &error));
    CHECK_ROW(row, "b", "2");
    CHECK_ABSENT(store, "b");
    free_iter(iter);
    check_close(store);
}

TEST(current_row_needs_a_place)
{
    sledstore *store = open_with_rows();
    sledstore_iter *iter;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_new(store, NULL, &iter, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_iter_current(iter, NULL, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_iter_ttl(iter, NULL, &error));
    free_iter(iter);
    check_close(store);
}

struct race {
    sledstore_iter *iter;
    bool is_over;
};

static void *move_until_over(void *argument)
{
    struct race *race = argument;
    sledstore_pair row;
    while (!__atomic_load_n(&race->is_over, __ATOMIC_RELAXED)) {
        CHECK_ONE_OF(sledstore_iter_first(race->iter, &row, &error), SLEDSTORE_OK, SLEDSTORE_BUSY);
    }
    return NULL;
}

TEST(current_row_of_an_iterator_in_use_is_busy)
{
    sledstore *store = open_with_rows();
    struct race race = {NULL, false};
    pthread_t thread;
    sledstore_pair row;
    uint64_t ttl_ms;
    bool row_was_busy = false, ttl_was_busy = false;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_new(store, NULL, &race.iter, &error));
    CHECK(pthread_create(&thread, NULL, move_until_over, &race) == 0);
    while (!row_was_busy || !ttl_was_busy) {
        row_was_busy |= CHECK_ONE_OF(sledstore_iter_current(race.iter, &row, &error), SLEDSTORE_OK,
                                     SLEDSTORE_END, SLEDSTORE_BUSY)
                        == SLEDSTORE_BUSY;
        ttl_was_busy |= CHECK_ONE_OF(sledstore_iter_ttl(race.iter, &ttl_ms, &error),
                                     SLEDSTORE_NO_TTL, SLEDSTORE_END, SLEDSTORE_BUSY)
                        == SLEDSTORE_BUSY;
    }
    __atomic_store_n(&race.is_over, true, __ATOMIC_RELAXED);
    CHECK(pthread_join(thread, NULL) == 0);
    free_iter(race.iter);
    check_close(store);
}
