/* Values: bytes that the library pinned for the caller, until they are freed. */
#include "check.h"

#include <stdlib.h>

static sledstore_value *get(const sledstore *store, const char *key)
{
    sledstore_value *value;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_get(store, TEXT(key), &value, &error));
    CHECK(value != NULL);
    return value;
}

TEST(value_is_the_bytes_that_were_put)
{
    sledstore *store = check_open("store");
    static const unsigned char bytes[] = {0, 1, 0xff, 0, 0x80, '\n', 0};
    CHECK_STATUS(SLEDSTORE_OK, sledstore_put(store, TEXT("key"), bytes, sizeof bytes, &error));
    sledstore_value *value = get(store, "key");
    CHECK_BYTES(bytes, sizeof bytes, sledstore_value_data(value), sledstore_value_len(value));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_value_free(value));
    check_close(store);
}

TEST(value_outlives_overwriting_deleting_and_closing)
{
    sledstore *store = check_open("store");
    check_put(store, "key", "the first");
    sledstore_value *value = get(store, "key");
    const void *data = sledstore_value_data(value);
    check_put(store, "key", "another");
    CHECK_BYTES(TEXT("the first"), sledstore_value_data(value), sledstore_value_len(value));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_delete(store, TEXT("key"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_flush(store, &error));
    check_close(store);
    CHECK_BYTES(TEXT("the first"), sledstore_value_data(value), sledstore_value_len(value));
    CHECK(sledstore_value_data(value) == data); /* pinned: it does not move either */
    CHECK_STATUS(SLEDSTORE_OK, sledstore_value_free(value));
}

TEST(empty_value_has_data_and_no_length)
{
    sledstore *store = check_open("store");
    check_put(store, "key", "");
    sledstore_value *value = get(store, "key");
    CHECK(sledstore_value_data(value) != NULL);
    CHECK_NUMBER(0, sledstore_value_len(value));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_value_free(value));
    check_close(store);
}

TEST(large_value_comes_back_whole)
{
    enum { SIZE = 3 * 1024 * 1024 + 17 };
    unsigned char *bytes = malloc(SIZE);
    CHECK(bytes != NULL);
    for (size_t at = 0; at < SIZE; at++) {
        bytes[at] = (unsigned char)(at * 2654435761u >> 13);
    }
    sledstore *store = check_open("store");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_put(store, TEXT("large"), bytes, SIZE, &error));
    check_close(store);
    store = check_open("store");
    sledstore_value *value = get(store, "large");
    CHECK_NUMBER(SIZE, sledstore_value_len(value));
    CHECK(memcmp(bytes, sledstore_value_data(value), SIZE) == 0);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_value_free(value));
    check_close(store);
    free(bytes);
}

TEST(two_gets_give_two_values)
{
    sledstore *store = check_open("store");
    check_put(store, "key", "value");
    sledstore_value *first = get(store, "key");
    sledstore_value *second = get(store, "key");
    CHECK(first != second);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_value_free(first));
    CHECK_BYTES(TEXT("value"), sledstore_value_data(second), sledstore_value_len(second));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_value_free(second));
    check_close(store);
}

TEST(freed_value_is_refused)
{
    sledstore *store = check_open("store");
    check_put(store, "key", "value");
    sledstore_value *value = get(store, "key");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_value_free(value));
    CHECK(sledstore_value_data(value) == NULL);
    CHECK_NUMBER(0, sledstore_value_len(value));
    CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_value_free(value));
    check_close(store);
}

TEST(freed_handle_does_not_name_the_next_value)
{
    sledstore *store = check_open("store");
    check_put(store, "key", "value");
    sledstore_value *old = get(store, "key");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_value_free(old));
    for (int turn = 0; turn < 1000; turn++) { /* the slot is used again and again */
        sledstore_value *value = get(store, "key");
        CHECK(value != old);
        CHECK(sledstore_value_data(old) == NULL);
        CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_value_free(old));
        CHECK_STATUS(SLEDSTORE_OK, sledstore_value_free(value));
    }
    check_close(store);
}

TEST(null_and_foreign_handles_have_no_bytes)
{
    sledstore *store = check_open("store");
    void *others[] = {store, &store, (void *)(uintptr_t)1, (void *)(uintptr_t)4096,
                      (void *)(uintptr_t)UINT64_C(0x7fff123456789abc)};
    CHECK(sledstore_value_data(NULL) == NULL);
    CHECK_NUMBER(0, sledstore_value_len(NULL));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_value_free(NULL));
    for (size_t at = 0; at < sizeof others / sizeof others[0]; at++) {
        CHECK(sledstore_value_data(others[at]) == NULL);
        CHECK_NUMBER(0, sledstore_value_len(others[at]));
        CHECK_STATUS(SLEDSTORE_WRONG_HANDLE, sledstore_value_free(others[at]));
    }
    CHECK_STATUS(SLEDSTORE_OK, sledstore_flush(store, &error)); /* the store is unharmed */
    check_close(store);
}
