/* Single keys: get, put, delete, contains, compare and swap. */
#include "check.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MOST_KEY = 4096, MOST_VALUE = 1 << 30 };

TEST(key_that_was_put_is_found_until_it_is_deleted)
{
    sledstore *store = check_open("store");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_put(store, TEXT("snowman"), TEXT("U+2603"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_contains(store, TEXT("snowman"), &error));
    CHECK_VALUE(store, "snowman", "U+2603");
    check_put(store, "snowman", "another");
    CHECK_VALUE(store, "snowman", "another");

    CHECK_STATUS(SLEDSTORE_OK, sledstore_delete(store, TEXT("snowman"), &error));
    CHECK_ABSENT(store, "snowman");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_delete(store, TEXT("snowman"), &error)); /* no matter */
    check_close(store);
}

TEST(absent_key_is_an_outcome_and_gives_nothing)
{
    sledstore *store = check_open("store");
    sledstore_value *value = (sledstore_value *)(uintptr_t)0x1234;
    char buffer[4] = "abc";
    size_t needed = 77;
    CHECK_STATUS(SLEDSTORE_KEY_NOT_FOUND, sledstore_get(store, TEXT("absent"), &value, &error));
    CHECK(value == NULL);
    CHECK_STATUS(SLEDSTORE_KEY_NOT_FOUND,
                 sledstore_get_into(store, TEXT("absent"), buffer, 4, &needed, &error));
    CHECK_NUMBER(0, needed);
    CHECK(strcmp(buffer, "abc") == 0);
    CHECK_STATUS(SLEDSTORE_KEY_NOT_FOUND, sledstore_contains(store, TEXT("absent"), &error));
    check_close(store);
}

TEST(empty_keys_and_values_are_not_absent)
{
    sledstore *store = check_open("store");
    sledstore_value *value;
    size_t needed = 77;
    CHECK_STATUS(SLEDSTORE_KEY_NOT_FOUND, sledstore_contains(store, NULL, 0, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_put(store, NULL, 0, NULL, 0, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_contains(store, "", 0, &error)); /* the same key */
    CHECK_STATUS(SLEDSTORE_OK, sledstore_get(store, NULL, 0, &value, &error));
    CHECK(sledstore_value_data(value) != NULL);
    CHECK_NUMBER(0, sledstore_value_len(value));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_value_free(value));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_get_into(store, "", 0, NULL, 0, &needed, &error));
    CHECK_NUMBER(0, needed);
    CHECK_COUNT(store, 1);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_delete(store, NULL, 0, &error));
    CHECK_COUNT(store, 0);
    check_close(store);
}

TEST(keys_are_bytes_and_not_strings)
{
    sledstore *store = check_open("store");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_put(store, "a\0b", 3, "1", 1, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_put(store, "a\0c", 3, "2", 1, &error));
    CHECK_STATUS(SLEDSTORE_KEY_NOT_FOUND, sledstore_contains(store, "a", 1, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_contains(store, "a\0b", 3, &error));
    CHECK_COUNT(store, 2);
    check_close(store);
}

/* ---- arguments --------------------------------------------------------------------------- */

TEST(null_with_a_length_is_refused)
{
    sledstore *store = check_open("store");
    sledstore_value *value = (sledstore_value *)(uintptr_t)0x1234;
    size_t needed = 77;
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_get(store, NULL, 1, &value, &error));
    CHECK(value == NULL);
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_get_into(store, NULL, 1, NULL, 0, &needed, &error));
    CHECK_NUMBER(0, needed);
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_contains(store, NULL, 1, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_put(store, NULL, 1, "v", 1, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_put(store, "k", 1, NULL, 1, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_delete(store, NULL, 1, &error));
    CHECK_COUNT(store, 0);
    check_close(store);
}

TEST(length_beyond_the_address_space_is_refused)
{
    static const size_t lengths[] = {SIZE_MAX, SIZE_MAX / 2 + 1};
    sledstore *store = check_open("store");
    sledstore_value *value;
    size_t needed;
    for (size_t at = 0; at < 2; at++) {
        size_t len = lengths[at];
        CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_get(store, "k", len, &value, &error));
        CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                     sledstore_get_into(store, "k", len, NULL, 0, &needed, &error));
        CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_contains(store, "k", len, &error));
        CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_put(store, "k", len, "v", 1, &error));
        CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_put(store, "k", 1, "v", len, &error));
        CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_delete(store, "k", len, &error));
    }
    check_close(store);
}

TEST(out_pointer_is_required)
{
    sledstore *store = check_open("store");
    char buffer[8];
    check_put(store, "key", "value");
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_get(store, TEXT("key"), NULL, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_get_into(store, TEXT("key"), buffer, 8, NULL, &error));
    CHECK_NUMBER(0, check_live(SLEDSTORE_KIND_VALUE));
    check_close(store);
}

TEST(longest_key_works_and_a_longer_one_is_refused)
{
    static char key[MOST_KEY + 1];
    sledstore *store = check_open("store");
    memset(key, 'k', sizeof key);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_put(store, key, MOST_KEY, "v", 1, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_contains(store, key, MOST_KEY, &error));
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED, sledstore_put(store, key, MOST_KEY + 1, "v", 1, &error));
    CHECK_CONTAINS(check_message(), "4096");
    const sledstore_bytes desired = {"v", 1};
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED,
                 sledstore_compare_and_swap(store, key, MOST_KEY + 1, NULL, &desired, &error));
    /* Such a key cannot be there, and that is the answer to everything else. */
    CHECK_STATUS(SLEDSTORE_OK, sledstore_delete(store, key, MOST_KEY + 1, &error));
    sledstore_value *value;
    CHECK_STATUS(SLEDSTORE_KEY_NOT_FOUND, sledstore_get(store, key, MOST_KEY + 1, &value, &error));
    CHECK_STATUS(SLEDSTORE_KEY_NOT_FOUND, sledstore_contains(store, key, MOST_KEY + 1, &error));
    CHECK_COUNT(store, 1);
    check_close(store);
}

TEST(value_over_the_limit_is_refused_before_it_is_read)
{
    /* Private pages of /dev/zero take no memory until somebody touches them. */
    size_t len = (size_t)MOST_VALUE + 1;
    int zero = open("/dev/zero", O_RDONLY);
    void *value = mmap(NULL, len, PROT_READ, MAP_PRIVATE, zero, 0);
    CHECK(zero >= 0 && value != MAP_FAILED);
    sledstore *store = check_open("store");
    sledstore_bytes desired = {value, len};
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED, sledstore_put(store, TEXT("key"), value, len, &error));
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED,
                 sledstore_put_with_ttl(store, TEXT("key"), value, len, 1000, &error));
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED,
                 sledstore_compare_and_swap(store, TEXT("key"), NULL, &desired, &error));
    CHECK_COUNT(store, 0);
    check_close(store);
    CHECK(munmap(value, len) == 0 && close(zero) == 0);
}

/* ---- into the caller's buffer ------------------------------------------------------------ */

TEST(get_into_fills_the_callers_buffer)
{
    sledstore *store = check_open("store");
    char buffer[16];
    size_t needed = 0;
    memset(buffer, '#', sizeof buffer);
    check_put(store, "key", "value");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_get_into(store, TEXT("key"), buffer + 1, 5, &needed,
                                                  &error)); /* exactly as large as needed */
    CHECK_NUMBER(5, needed);
    CHECK_BYTES(TEXT("#value##"), buffer, 8);
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_get_into(store, TEXT("key"), buffer, sizeof buffer, &needed, &error));
    CHECK_NUMBER(5, needed);
    CHECK_BYTES(TEXT("valuee##"), buffer, 8); /* nothing behind the value is touched */
    check_close(store);
}

TEST(get_into_a_small_buffer_says_the_size_and_writes_nothing)
{
    sledstore *store = check_open("store");
    char buffer[8] = "#######";
    check_put(store, "key", "value");
    for (size_t capacity = 0; capacity < 5; capacity++) {
        size_t needed = 0;
        CHECK_STATUS(SLEDSTORE_BUFFER_TOO_SMALL,
                     sledstore_get_into(store, TEXT("key"), buffer, capacity, &needed, &error));
        CHECK_NUMBER(5, needed);
        CHECK(strcmp(buffer, "#######") == 0);
    }
    check_close(store);
}

TEST(get_into_without_a_buffer_asks_for_the_size)
{
    sledstore *store = check_open("store");
    size_t needed = 0;
    check_put(store, "key", "value");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_get_into(store, TEXT("key"), NULL, 0, &needed, &error));
    CHECK_NUMBER(5, needed);
    CHECK_STATUS(SLEDSTORE_KEY_NOT_FOUND,
                 sledstore_get_into(store, TEXT("none"), NULL, 0, &needed, &error));
    CHECK_NUMBER(0, needed);
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_get_into(store, TEXT("key"), NULL, 8, &needed, &error));
    CHECK_NUMBER(0, needed);
    check_close(store);
}

/* ---- many at once ------------------------------------------------------------------------ */

TEST(get_many_answers_in_the_order_of_the_keys)
{
    sledstore *store = check_open("store");
    check_put(store, "a", "1");
    check_put(store, "empty", "");
    sledstore_bytes keys[] = {check_text("absent"), check_text("a"), check_text("empty"),
                              check_text("a")};
    sledstore_value *values[4];
    CHECK_STATUS(SLEDSTORE_OK, sledstore_get_many(store, keys, 4, values, &error));
    CHECK(values[0] == NULL); /* absent */
    CHECK_BYTES(TEXT("1"), sledstore_value_data(values[1]), sledstore_value_len(values[1]));
    CHECK_BYTES(TEXT(""), sledstore_value_data(values[2]), sledstore_value_len(values[2]));
    CHECK_BYTES(TEXT("1"), sledstore_value_data(values[3]), sledstore_value_len(values[3]));
    CHECK(values[1] != values[3]); /* each is freed for itself */
    for (size_t at = 0; at < 4; at++) {
        CHECK_STATUS(SLEDSTORE_OK, sledstore_value_free(values[at]));
    }
    CHECK_STATUS(SLEDSTORE_OK, sledstore_get_many(store, NULL, 0, NULL, &error));
    check_close(store);
}

TEST(get_many_with_a_bad_key_gives_nothing)
{
    sledstore *store = check_open("store");
    check_put(store, "a", "1");
    sledstore_value *guard = (sledstore_value *)(uintptr_t)0x1234;
    sledstore_value *values[3] = {guard, guard, guard};
    sledstore_bytes keys[] = {check_text("a"), {NULL, 1}, check_text("a")};
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_get_many(store, keys, 2, values, &error));
    CHECK(values[0] == NULL && values[1] == NULL && values[2] == guard);
    keys[1].data = "k";
    keys[1].len = SIZE_MAX;
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_get_many(store, keys, 3, values, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_get_many(store, NULL, 1, values, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_get_many(store, keys, 1, NULL, &error));
    CHECK_NUMBER(0, check_live(SLEDSTORE_KIND_VALUE));
    check_close(store);
}

TEST(get_many_with_an_impossible_count_is_refused)
{
    sledstore *store = check_open("store");
    sledstore_bytes key = check_text("a");
    sledstore_value *value;
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_get_many(store, &key, SIZE_MAX, &value, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_get_many(store, &key, SIZE_MAX / 16, &value, &error));
    check_close(store);
}

/* ---- compare and swap -------------------------------------------------------------------- */

TEST(swap_of_an_absent_key_creates_it_once)
{
    sledstore *store = check_open("store");
    sledstore_bytes desired = check_text("first");
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_compare_and_swap(store, TEXT("key"), NULL, &desired, &error));
    CHECK_VALUE(store, "key", "first");
    desired = check_text("second");
    CHECK_STATUS(SLEDSTORE_CAS_MISMATCH,
                 sledstore_compare_and_swap(store, TEXT("key"), NULL, &desired, &error));
    CHECK_VALUE(store, "key", "first");
    check_close(store);
}

TEST(swap_of_an_expected_value_replaces_it)
{
    sledstore *store = check_open("store");
    sledstore_bytes expected = check_text("old"), desired = check_text("new");
    CHECK_STATUS(SLEDSTORE_CAS_MISMATCH,
                 sledstore_compare_and_swap(store, TEXT("key"), &expected, &desired, &error));
    CHECK_ABSENT(store, "key");
    check_put(store, "key", "old");
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_compare_and_swap(store, TEXT("key"), &expected, &desired, &error));
    CHECK_VALUE(store, "key", "new");
    CHECK_STATUS(SLEDSTORE_CAS_MISMATCH,
                 sledstore_compare_and_swap(store, TEXT("key"), &expected, &desired, &error));
    CHECK_VALUE(store, "key", "new");
    check_close(store);
}

TEST(swap_with_nothing_deletes_the_expected_value)
{
    sledstore *store = check_open("store");
    sledstore_bytes expected = check_text("value"), other = check_text("other");
    check_put(store, "key", "value");
    CHECK_STATUS(SLEDSTORE_CAS_MISMATCH,
                 sledstore_compare_and_swap(store, TEXT("key"), &other, NULL, &error));
    CHECK_VALUE(store, "key", "value");
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_compare_and_swap(store, TEXT("key"), &expected, NULL, &error));
    CHECK_ABSENT(store, "key");
    CHECK_STATUS(SLEDSTORE_CAS_MISMATCH,
                 sledstore_compare_and_swap(store, TEXT("key"), &expected, NULL, &error));
    check_close(store);
}

TEST(swap_of_nothing_with_nothing_checks_absence)
{
    sledstore *store = check_open("store");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_compare_and_swap(store, TEXT("key"), NULL, NULL, &error));
    check_put(store, "key", "value");
    CHECK_STATUS(SLEDSTORE_CAS_MISMATCH,
                 sledstore_compare_and_swap(store, TEXT("key"), NULL, NULL, &error));
    CHECK_VALUE(store, "key", "value");
    check_close(store);
}

TEST(swap_tells_the_empty_value_from_no_value)
{
    sledstore *store = check_open("store");
    const sledstore_bytes empty = {NULL, 0}, value = check_text("value");
    CHECK_STATUS(SLEDSTORE_CAS_MISMATCH,
                 sledstore_compare_and_swap(store, TEXT("key"), &empty, &value, &error));
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_compare_and_swap(store, TEXT("key"), NULL, &empty, &error));
    CHECK_VALUE(store, "key", "");
    CHECK_STATUS(SLEDSTORE_CAS_MISMATCH,
                 sledstore_compare_and_swap(store, TEXT("key"), NULL, &value, &error));
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_compare_and_swap(store, TEXT("key"), &empty, &value, &error));
    CHECK_VALUE(store, "key", "value");
    check_close(store);
}

TEST(swap_refuses_bad_bytes)
{
    sledstore *store = check_open("store");
    const sledstore_bytes null = {NULL, 1}, endless = {"v", SIZE_MAX};
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_compare_and_swap(store, TEXT("key"), &null, NULL, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_compare_and_swap(store, TEXT("key"), NULL, &null, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_compare_and_swap(store, TEXT("key"), &endless, NULL, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_compare_and_swap(store, TEXT("key"), NULL, &endless, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_compare_and_swap(store, NULL, 3, NULL, NULL, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_compare_and_swap(store, "k", SIZE_MAX, NULL, NULL, &error));
    CHECK_COUNT(store, 0);
    check_close(store);
}
