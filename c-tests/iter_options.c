/* What an iterator can be told: bounds, a prefix, to leave the values out. */
#include "check.h"

#include <stdint.h>

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

/* Walks forward and backward; both have to see exactly these one-letter keys. */
static void check_keys(const sledstore *store, const sledstore_iter_options *options,
                       const char *letters)
{
    sledstore_iter *iter = new_iter(store, options);
    sledstore_pair row;
    size_t count = strlen(letters);
    for (size_t at = 0; at < count; at++) {
        CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_next(iter, &row, &error));
        CHECK_BYTES(letters + at, 1, row.key.data, row.key.len);
    }
    CHECK_STATUS(SLEDSTORE_END, sledstore_iter_next(iter, &row, &error));
    CHECK_NO_ROW(row);
    for (size_t at = count; at > 0; at--) {
        CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_prev(iter, &row, &error));
        CHECK_BYTES(letters + at - 1, 1, row.key.data, row.key.len);
    }
    CHECK_STATUS(SLEDSTORE_END, sledstore_iter_prev(iter, &row, &error));
    CHECK_NO_ROW(row);
    free_iter(iter);
}

TEST(without_options_every_row_is_seen)
{
    sledstore *store = open_with_rows();
    check_keys(store, NULL, "abcd");
    check_close(store);
}

TEST(bounds_hold_the_walk_in)
{
    sledstore *store = open_with_rows();
    sledstore_iter_options options = SLEDSTORE_ITER_OPTIONS_INIT;
    options.lower = check_text("b");
    options.upper = check_text("d");
    check_keys(store, &options, "bc");
    options.flags = SLEDSTORE_ITER_LOWER_EXCLUSIVE;
    check_keys(store, &options, "c");
    options.flags = SLEDSTORE_ITER_UPPER_INCLUSIVE;
    check_keys(store, &options, "bcd");
    options.flags = SLEDSTORE_ITER_LOWER_EXCLUSIVE | SLEDSTORE_ITER_UPPER_INCLUSIVE;
    check_keys(store, &options, "cd");
    options.upper.data = NULL; /* no bound at all */
    options.upper.len = 0;
    check_keys(store, &options, "cd");
    check_close(store);
}

TEST(seek_stays_within_the_bounds)
{
    sledstore *store = open_with_rows();
    sledstore_iter_options options = SLEDSTORE_ITER_OPTIONS_INIT;
    sledstore_pair row;
    options.lower = check_text("b");
    options.upper = check_text("d");
    sledstore_iter *iter = new_iter(store, &options);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_seek(iter, TEXT("a"), &row, &error));
    CHECK_ROW(row, "b", "2");
    CHECK_STATUS(SLEDSTORE_END, sledstore_iter_seek(iter, TEXT("d"), &row, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_seek_for_prev(iter, TEXT("z"), &row, &error));
    CHECK_ROW(row, "c", "3");
    CHECK_STATUS(SLEDSTORE_END, sledstore_iter_seek_for_prev(iter, TEXT("a"), &row, &error));
    free_iter(iter);
    check_close(store);
}

TEST(empty_bound_is_the_empty_key_and_null_is_none)
{
    sledstore *store = open_with_rows();
    sledstore_iter_options options = SLEDSTORE_ITER_OPTIONS_INIT;
    check_keys(store, &options, "abcd");
    options.upper.data = "";
    check_keys(store, &options, ""); /* nothing is below the empty key */
    options.upper.data = NULL;
    options.lower.data = "";
    check_keys(store, &options, "abcd");
    check_close(store);
}

TEST(bounds_that_cross_leave_nothing)
{
    sledstore *store = open_with_rows();
    sledstore_iter_options options = SLEDSTORE_ITER_OPTIONS_INIT;
    options.lower = check_text("c");
    options.upper = check_text("b");
    check_keys(store, &options, "");
    options.upper = check_text("c");
    check_keys(store, &options, "");
    options.flags = SLEDSTORE_ITER_UPPER_INCLUSIVE;
    check_keys(store, &options, "c");
    options.flags = SLEDSTORE_ITER_UPPER_INCLUSIVE | SLEDSTORE_ITER_LOWER_EXCLUSIVE;
    check_keys(store, &options, "");
    check_close(store);
}

TEST(prefix_selects_the_keys_that_start_with_it)
{
    sledstore *store = check_open("store");
    sledstore_iter_options options = SLEDSTORE_ITER_OPTIONS_INIT;
    sledstore_pair row;
    check_put(store, "a", "1");
    check_put(store, "a\xff", "2");
    check_put(store, "a\xff\xff", "3");
    check_put(store, "b", "4");
    options.prefix = check_text("a\xff"); /* 0xff is the last byte: there is no simple end */
    sledstore_iter *iter = new_iter(store, &options);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_first(iter, &row, &error));
    CHECK_ROW(row, "a\xff", "2");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_last(iter, &row, &error));
    CHECK_ROW(row, "a\xff\xff", "3");
    CHECK_STATUS(SLEDSTORE_END, sledstore_iter_next(iter, &row, &error));
    free_iter(iter);
    options.upper = check_text("a\xff\xff"); /* bounds and prefix both hold */
    iter = new_iter(store, &options);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_last(iter, &row, &error));
    CHECK_ROW(row, "a\xff", "2");
    free_iter(iter);
    check_close(store);
}

TEST(keys_only_leaves_the_values_out)
{
    sledstore *store = open_with_rows();
    sledstore_iter_options options = SLEDSTORE_ITER_OPTIONS_INIT;
    sledstore_pair row;
    options.flags = SLEDSTORE_ITER_KEYS_ONLY;
    sledstore_iter *iter = new_iter(store, &options);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_next(iter, &row, &error));
    CHECK_ROW(row, "a", "");
    free_iter(iter);
    check_close(store);
}

TEST(options_are_copied)
{
    sledstore *store = open_with_rows();
    sledstore_iter_options options = SLEDSTORE_ITER_OPTIONS_INIT;
    sledstore_pair row;
    char lower[] = "c";
    options.lower = check_text(lower);
    sledstore_iter *iter = new_iter(store, &options);
    lower[0] = 'a';
    memset(&options, 0xff, sizeof options);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_first(iter, &row, &error));
    CHECK_ROW(row, "c", "3");
    free_iter(iter);
    check_close(store);
}

TEST(bad_options_are_refused)
{
    struct {
        sledstore_iter_options known;
        uint64_t later;
    } newer = {SLEDSTORE_ITER_OPTIONS_INIT, 1};
    const sledstore_iter_options defaults = SLEDSTORE_ITER_OPTIONS_INIT;
    const sledstore_bytes bad[] = {{NULL, 1}, {"a", SIZE_MAX}};
    const size_t sizes[] = {0, 1, sizeof(size_t), sizeof defaults - 1};
    sledstore *store = open_with_rows();
    sledstore_iter_options options = defaults;
    sledstore_iter *iter = (sledstore_iter *)(uintptr_t)0x1234;
#define REFUSED(status, options)                                             \
    CHECK_STATUS(status, sledstore_iter_new(store, options, &iter, &error)); \
    CHECK(iter == NULL)
    options.flags = 8;
    REFUSED(SLEDSTORE_UNSUPPORTED, &options);
    options.flags = UINT64_C(1) << 63;
    REFUSED(SLEDSTORE_UNSUPPORTED, &options);
    for (size_t at = 0; at < 4; at++) {
        options = defaults;
        options.struct_size = sizes[at];
        REFUSED(SLEDSTORE_INVALID_ARGUMENT, &options);
    }
    for (size_t at = 0; at < 2; at++) {
        options = defaults;
        options.lower = bad[at];
        REFUSED(SLEDSTORE_INVALID_ARGUMENT, &options);
        options = defaults;
        options.upper = bad[at];
        REFUSED(SLEDSTORE_INVALID_ARGUMENT, &options);
        options = defaults;
        options.prefix = bad[at];
        REFUSED(SLEDSTORE_INVALID_ARGUMENT, &options);
    }
    newer.known.struct_size = sizeof newer;
    REFUSED(SLEDSTORE_UNSUPPORTED, &newer.known);
#undef REFUSED
    newer.later = 0;
    free_iter(new_iter(store, &newer.known));
    check_close(store);
}
