/* Giving a keyspace another name. */
#include "check.h"

#include <stdint.h>

#define HOUR UINT64_C(3600000)

static void rename_to(const sledstore *store, const char *old, const char *name, int32_t expected)
{
    CHECK_STATUS(expected, sledstore_rename_keyspace(store, TEXT(old), TEXT(name), &error));
}

TEST(renamed_keyspace_has_all_rows_and_expiries_under_its_new_name)
{
    sledstore *store = check_open("store"), *old = check_open_tree(store, "old");
    static char large[200000];
    uint64_t ttl_ms;
    size_t len;
    check_put(old, "a", "1");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_compact(store, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_put(old, TEXT("large"), large, sizeof large, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_put_with_ttl(old, TEXT("b"), TEXT("2"), HOUR, &error));
    rename_to(store, "old", "new", SLEDSTORE_OK);
    for (int reopened = 0; reopened < 2; reopened++) {
        sledstore *renamed = check_open_tree(store, "new");
        CHECK_VALUE(renamed, "a", "1");
        CHECK_STATUS(SLEDSTORE_NO_TTL, sledstore_ttl(renamed, TEXT("a"), &ttl_ms, &error));
        CHECK_VALUE(renamed, "b", "2");
        CHECK_STATUS(SLEDSTORE_OK, sledstore_ttl(renamed, TEXT("b"), &ttl_ms, &error));
        CHECK(ttl_ms > 0 && ttl_ms <= HOUR);
        CHECK_STATUS(SLEDSTORE_OK,
                     sledstore_get_into(renamed, TEXT("large"), NULL, 0, &len, &error));
        CHECK_NUMBER(sizeof large, len);
        CHECK_COUNT(renamed, 3);
        CHECK_STATUS(SLEDSTORE_OK, sledstore_keyspace_names(store, NULL, 0, &len, &error));
        CHECK_NUMBER(2, len);
        CHECK_STATUS(SLEDSTORE_OK, sledstore_release(renamed, &error));
        if (reopened == 0) {
            CHECK_STATUS(SLEDSTORE_KEYSPACE_DROPPED, sledstore_contains(old, TEXT("a"), &error));
            CHECK_STATUS(SLEDSTORE_OK, sledstore_release(old, &error));
            check_close(store);
            store = check_open("store");
        }
    }
    check_close(store);
}

TEST(old_name_of_a_renamed_keyspace_can_be_used_for_another)
{
    sledstore *store = check_open("store"), *old = check_open_tree(store, "old");
    check_put(old, "a", "1");
    rename_to(store, "old", "new", SLEDSTORE_OK);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_release(old, &error));
    old = check_open_tree(store, "old");
    CHECK_COUNT(old, 0);
    check_put(old, "b", "1");
    rename_to(store, "old", "new", SLEDSTORE_ALREADY_EXISTS);
    CHECK_VALUE(old, "b", "1");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_drop_keyspace(store, TEXT("new"), &error));
    rename_to(store, "old", "new", SLEDSTORE_OK);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_release(old, &error));
    sledstore *renamed = check_open_tree(store, "new");
    CHECK_VALUE(renamed, "b", "1");
    CHECK_COUNT(renamed, 1);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_release(renamed, &error));
    check_close(store);
}

TEST(names_that_cannot_be_renamed_are_refused)
{
    sledstore *store = check_open("store"), *old = check_open_tree(store, "old");
    check_put(old, "a", "1");
    rename_to(store, "none", "new", SLEDSTORE_NOT_FOUND);
    rename_to(store, "old", "old", SLEDSTORE_ALREADY_EXISTS);
    rename_to(store, "old", "default", SLEDSTORE_ALREADY_EXISTS);
    rename_to(store, "default", "new", SLEDSTORE_UNSUPPORTED);
    rename_to(store, "old", "", SLEDSTORE_UNSUPPORTED);
    rename_to(store, "old", "__ttl__", SLEDSTORE_UNSUPPORTED);
    rename_to(store, "__ttl__", "new", SLEDSTORE_UNSUPPORTED);
    const int32_t invalid = SLEDSTORE_INVALID_ARGUMENT;
    CHECK_STATUS(invalid, sledstore_rename_keyspace(NULL, TEXT("old"), TEXT("new"), &error));
    CHECK_STATUS(invalid, sledstore_rename_keyspace(store, NULL, 3, TEXT("new"), &error));
    CHECK_STATUS(invalid, sledstore_rename_keyspace(store, TEXT("old"), NULL, 3, &error));
    CHECK_VALUE(old, "a", "1");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_release(old, &error));
    CHECK_STATUS(SLEDSTORE_CLOSED,
                 sledstore_rename_keyspace(old, TEXT("old"), TEXT("new"), &error));
    check_close(store);
}
