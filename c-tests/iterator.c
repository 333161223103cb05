/* Iterators: walking a keyspace in order, in both directions. */
#include "check.h"

#include <stdint.h>
#include <stdio.h>

/* A store with the rows a=1, b=2, c=3, d=4. */
static sledstore *open_with_rows(void)
{
    sledstore *store = check_open("store");
    check_put(store, "c", "3");
    check_put(store, "a", "1");
    check_put(store, "d", "4");
    check_put(store, "b", "2");
    return store;
}

static sledstore_iter *new_iter(const sledstore *store, const sledstore_iter_options *options)
{
    sledstore_iter *iter = NULL;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_new(store, options, &iter, &error));
    CHECK(iter != NULL);
    return iter;
}

static void free_iter(sledstore_iter *iter)
{
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_free(iter));
}

TEST(walk_forward_sees_every_row_in_order)
{
    sledstore *store = open_with_rows();
    sledstore_iter *iter = new_iter(store, NULL);
    sledstore_pair row;
    char seen[64] = "";
    int32_t status;
    while ((status = sledstore_iter_next(iter, &row, NULL)) == SLEDSTORE_OK) {
        snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%.*s=%.*s ", (int)row.key.len,
                 (const char *)row.key.data, (int)row.value.len, (const char *)row.value.data);
    }
    CHECK(status == SLEDSTORE_END);
    CHECK(strcmp(seen, "a=1 b=2 c=3 d=4 ") == 0);
    free_iter(iter);
    check_close(store);
}

TEST(walk_turns_round_at_both_ends)
{
    sledstore *store = open_with_rows();
    sledstore_iter *iter = new_iter(store, NULL);
    sledstore_pair row;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_prev(iter, &row, &error)); /* fresh: from the end */
    CHECK_ROW(row, "d", "4");
    CHECK_STATUS(SLEDSTORE_END, sledstore_iter_next(iter, &row, &error));
    CHECK_STATUS(SLEDSTORE_END, sledstore_iter_next(iter, &row, &error)); /* and it stays there */
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_prev(iter, &row, &error));
    CHECK_ROW(row, "d", "4");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_prev(iter, &row, &error));
    CHECK_ROW(row, "c", "3");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_next(iter, &row, &error));
    CHECK_ROW(row, "d", "4");
    free_iter(iter);
    check_close(store);
}

TEST(first_and_last_jump_to_the_ends)
{
    sledstore *store = open_with_rows();
    sledstore_iter *iter = new_iter(store, NULL);
    sledstore_pair row;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_last(iter, &row, &error));
    CHECK_ROW(row, "d", "4");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_first(iter, &row, &error));
    CHECK_ROW(row, "a", "1");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_next(iter, &row, &error));
    CHECK_ROW(row, "b", "2");
    free_iter(iter);
    check_close(store);
}

TEST(seek_finds_the_key_or_its_neighbour)
{
    sledstore *store = open_with_rows();
    sledstore_iter *iter = new_iter(store, NULL);
    sledstore_pair row;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_seek(iter, TEXT("b"), &row, &error));
    CHECK_ROW(row, "b", "2");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_seek(iter, TEXT("bb"), &row, &error));
    CHECK_ROW(row, "c", "3");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_next(iter, &row, &error));
    CHECK_ROW(row, "d", "4");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_seek_for_prev(iter, TEXT("bb"), &row, &error));
    CHECK_ROW(row, "b", "2");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_prev(iter, &row, &error));
    CHECK_ROW(row, "a", "1");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_seek_for_prev(iter, TEXT("c"), &row, &error));
    CHECK_ROW(row, "c", "3");
    CHECK_STATUS(SLEDSTORE_END, sledstore_iter_seek(iter, TEXT("e"), &row, &error));
    CHECK_NO_ROW(row);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_seek(iter, NULL, 0, &row, &error));
    CHECK_ROW(row, "a", "1");
    CHECK_STATUS(SLEDSTORE_END, sledstore_iter_seek_for_prev(iter, NULL, 0, &row, &error));
    CHECK_NO_ROW(row);
    free_iter(iter);
    check_close(store);
}

TEST(empty_keyspace_is_at_its_end)
{
    sledstore *store = check_open("store");
    sledstore_iter *iter = new_iter(store, NULL);
    sledstore_pair row = {{"#", 1}, {"#", 1}};
    size_t count = 77;
    CHECK_STATUS(SLEDSTORE_END, sledstore_iter_first(iter, &row, &error));
    CHECK_NO_ROW(row);
    CHECK_STATUS(SLEDSTORE_END, sledstore_iter_last(iter, &row, &error));
    CHECK_STATUS(SLEDSTORE_END, sledstore_iter_next(iter, &row, &error));
    CHECK_STATUS(SLEDSTORE_END, sledstore_iter_prev(iter, &row, &error));
    CHECK_STATUS(SLEDSTORE_END, sledstore_iter_seek(iter, TEXT("a"), &row, &error));
    CHECK_STATUS(SLEDSTORE_END, sledstore_iter_seek_for_prev(iter, TEXT("a"), &row, &error));
    CHECK_STATUS(SLEDSTORE_END, sledstore_iter_next_batch(iter, &row, 1, &count, &error));
    CHECK_NUMBER(0, count);
    free_iter(iter);
    check_close(store);
}

TEST(rows_with_empty_parts_are_rows)
{
    sledstore *store = check_open("store");
    sledstore_pair row;
    check_put(store, "", "");
    sledstore_iter *iter = new_iter(store, NULL);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_next(iter, &row, &error));
    CHECK(row.key.data != NULL && row.key.len == 0);
    CHECK(row.value.data != NULL && row.value.len == 0);
    free_iter(iter);
    check_close(store);
}

/* ---- many rows at once ------------------------------------------------------------------- */

TEST(next_batch_fills_an_array)
{
    sledstore *store = open_with_rows();
    sledstore_iter *iter = new_iter(store, NULL);
    const sledstore_pair guard = {{"#", 1}, {"#", 1}};
    sledstore_pair rows[4] = {guard, guard, guard, guard};
    size_t count = 77;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_next_batch(iter, rows, 3, &count, &error));
    CHECK_NUMBER(3, count);
    CHECK_ROW(rows[0], "a", "1");
    CHECK_ROW(rows[1], "b", "2");
    CHECK_ROW(rows[2], "c", "3");
    CHECK(memcmp(&rows[3], &guard, sizeof guard) == 0);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_next_batch(iter, rows, 4, &count, &error));
    CHECK_NUMBER(1, count);
    CHECK_ROW(rows[0], "d", "4");
    CHECK_NO_ROW(rows[1]);
    CHECK_STATUS(SLEDSTORE_END, sledstore_iter_next_batch(iter, rows, 4, &count, &error));
    CHECK_NUMBER(0, count);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_prev(iter, &rows[0], &error));
    CHECK_ROW(rows[0], "d", "4");
    free_iter(iter);
    check_close(store);
}

TEST(next_batch_needs_its_places)
{
    sledstore *store = open_with_rows();
    sledstore_iter *iter = new_iter(store, NULL);
    sledstore_pair row;
    size_t count = 77;
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_iter_next_batch(iter, NULL, 1, &count, &error));
    CHECK_NUMBER(0, count);
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_iter_next_batch(iter, &row, 1, NULL, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_iter_next_batch(iter, &row, 0, &count, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_iter_next_batch(iter, &row, SIZE_MAX, &count, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_next(iter, &row, &error));
    CHECK_ROW(row, "a", "1"); /* nothing was skipped */
    free_iter(iter);
    check_close(store);
}

/* ---- refused ----------------------------------------------------------------------------- */

TEST(every_move_needs_a_place_for_the_row)
{
    sledstore *store = open_with_rows();
    sledstore_iter *iter = new_iter(store, NULL);
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_iter_new(store, NULL, NULL, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_iter_first(iter, NULL, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_iter_last(iter, NULL, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_iter_next(iter, NULL, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_iter_prev(iter, NULL, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_iter_seek(iter, TEXT("a"), NULL, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_iter_seek_for_prev(iter, TEXT("a"), NULL, &error));
    free_iter(iter);
    check_close(store);
}

TEST(seek_refuses_bad_bytes)
{
    sledstore *store = open_with_rows();
    sledstore_iter *iter = new_iter(store, NULL);
    sledstore_pair row = {{"#", 1}, {"#", 1}};
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_iter_seek(iter, NULL, 1, &row, &error));
    CHECK_NO_ROW(row);
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_iter_seek(iter, "a", SIZE_MAX, &row, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_iter_seek_for_prev(iter, NULL, 1, &row, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_iter_seek_for_prev(iter, "a", SIZE_MAX, &row, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_next(iter, &row, &error));
    CHECK_ROW(row, "a", "1"); /* the place is where it was */
    free_iter(iter);
    check_close(store);
}

TEST(iterator_of_a_dropped_keyspace_says_so)
{
    sledstore *store = open_with_rows(), *words;
    sledstore_pair row = {{"#", 1}, {"#", 1}};
    CHECK_STATUS(SLEDSTORE_OK, sledstore_open_keyspace(store, TEXT("words"), 0, &words, &error));
    check_put(words, "a", "1");
    check_put(words, "b", "2");
    sledstore_iter *iter = new_iter(words, NULL);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_next(iter, &row, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_drop_keyspace(store, TEXT("words"), &error));
    CHECK_STATUS(SLEDSTORE_KEYSPACE_DROPPED, sledstore_iter_next(iter, &row, &error));
    CHECK_NO_ROW(row);
    CHECK_STATUS(SLEDSTORE_KEYSPACE_DROPPED, sledstore_iter_first(iter, &row, &error));
    free_iter(iter);
    check_close(store);
}
