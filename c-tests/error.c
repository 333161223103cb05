/* Error objects: what a failed call says about itself. */
#include "check.h"

#include <errno.h>

TEST(failure_gives_an_error_with_status_message_and_os_code)
{
    sledstore_open_options options = SLEDSTORE_OPEN_OPTIONS_INIT;
    options.flags = SLEDSTORE_OPEN_MUST_EXIST;
    sledstore *store;
    sledstore_error *why;
    CHECK(sledstore_open(check_path("nowhere"), &options, &store, &why) == SLEDSTORE_IO);
    CHECK(store == NULL);
    CHECK(sledstore_error_status(why) == SLEDSTORE_IO);
    CHECK(sledstore_error_os_code(why) == ENOENT);
    CHECK_CONTAINS(sledstore_error_message(why), "nowhere");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_error_free(why));
}

TEST(failure_without_the_system_has_os_code_zero)
{
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_flush(NULL, &error));
    CHECK_NUMBER(0, check_os_code());
}

TEST(error_pointer_is_overwritten_and_never_read)
{
    sledstore *store = check_open("store");
    sledstore_error *why = (sledstore_error *)store; /* not an error; must not matter */
    CHECK(sledstore_flush(store, &why) == SLEDSTORE_OK);
    CHECK(why == NULL);
    why = (sledstore_error *)(uintptr_t)0xdeadbeef;
    CHECK(sledstore_flush(NULL, &why) == SLEDSTORE_INVALID_ARGUMENT);
    CHECK(sledstore_error_status(why) == SLEDSTORE_INVALID_ARGUMENT);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_error_free(why));
    check_close(store);
}

TEST(error_pointer_may_be_null_and_nothing_is_left_behind)
{
    CHECK(sledstore_flush(NULL, NULL) == SLEDSTORE_INVALID_ARGUMENT);
    CHECK_NUMBER(0, check_live(SLEDSTORE_KIND_ERROR));
}

TEST(outcomes_that_are_no_failure_make_no_error)
{
    sledstore *store = check_open("store");
    sledstore_bytes wrong = check_text("wrong");
    sledstore_value *value;
    uint64_t ttl_ms;
    check_put(store, "key", "value");
    /* CHECK_STATUS itself demands that `error` is NULL after each of these. */
    CHECK_STATUS(SLEDSTORE_KEY_NOT_FOUND, sledstore_get(store, TEXT("absent"), &value, &error));
    CHECK_STATUS(SLEDSTORE_NO_TTL, sledstore_ttl(store, TEXT("key"), &ttl_ms, &error));
    CHECK_STATUS(SLEDSTORE_NOT_FOUND, sledstore_drop_keyspace(store, TEXT("absent"), &error));
    CHECK_STATUS(SLEDSTORE_CAS_MISMATCH,
                 sledstore_compare_and_swap(store, TEXT("key"), &wrong, NULL, &error));
    CHECK_NUMBER(0, check_live(SLEDSTORE_KIND_ERROR));
    check_close(store);
}

TEST(error_outlives_the_store_it_came_from)
{
    sledstore *store = check_open("store");
    sledstore_error *why;
    sledstore *keyspace;
    CHECK(sledstore_open_keyspace(store, TEXT("__mine"), 0, &keyspace, &why)
          == SLEDSTORE_UNSUPPORTED);
    const char *message = sledstore_error_message(why);
    CHECK_CONTAINS(message, "underscores");
    check_close(store);
    CHECK(sledstore_error_status(why) == SLEDSTORE_UNSUPPORTED);
    CHECK(sledstore_error_message(why) == message); /* valid until the error is freed */
    CHECK_CONTAINS(message, "underscores");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_error_free(why));
}

TEST(each_call_has_an_error_of_its_own)
{
    sledstore_error *first, *second;
    CHECK(sledstore_flush(NULL, &first) == SLEDSTORE_INVALID_ARGUMENT);
    CHECK(sledstore_flush((sledstore *)first, &second) == SLEDSTORE_WRONG_HANDLE);
    CHECK(first != second);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_error_free(first));
    CHECK(sledstore_error_status(second) == SLEDSTORE_WRONG_HANDLE);
    CHECK(sledstore_error_message(second)[0] != '\0');
    CHECK_STATUS(SLEDSTORE_OK, sledstore_error_free(second));
}

TEST(error_of_null_is_no_error)
{
    CHECK(sledstore_error_status(NULL) == SLEDSTORE_OK);
    CHECK(strcmp(sledstore_error_message(NULL), "") == 0);
    CHECK(sledstore_error_os_code(NULL) == 0);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_error_free(NULL));
}

TEST(freed_error_is_refused)
{
    sledstore_error *why;
    CHECK(sledstore_flush(NULL, &why) == SLEDSTORE_INVALID_ARGUMENT);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_error_free(why));
    CHECK(sledstore_error_status(why) == SLEDSTORE_CLOSED);
    CHECK(strcmp(sledstore_error_message(why), "") == 0);
    CHECK(sledstore_error_os_code(why) == 0);
    CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_error_free(why));
}

TEST(handle_that_is_no_error_is_refused)
{
    sledstore_batch *batch;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_new(&batch, &error));
    const void *others[] = {batch, &batch, "text", (void *)(uintptr_t)1,
                            (void *)(uintptr_t)UINT64_C(0x7fff123456789abc)};
    for (size_t at = 0; at < sizeof others / sizeof others[0]; at++) {
        sledstore_error *other = (sledstore_error *)(uintptr_t)others[at];
        CHECK(sledstore_error_status(other) == SLEDSTORE_WRONG_HANDLE);
        CHECK(strcmp(sledstore_error_message(other), "") == 0);
        CHECK(sledstore_error_os_code(other) == 0);
        CHECK_STATUS(SLEDSTORE_WRONG_HANDLE, sledstore_error_free(other));
    }
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_free(batch));
}

TEST(message_names_bytes_that_are_no_text_without_harm)
{
    sledstore *store = check_open("store");
    sledstore *keyspace;
    static const char name[] = "__\xff\x00\x01\n";
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED,
                 sledstore_open_keyspace(store, name, sizeof name, 0, &keyspace, &error));
    CHECK(keyspace == NULL);
    check_close(store);
}
