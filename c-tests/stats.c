/* What a store has done, and what it holds. */
#include "check.h"

#include <stdint.h>
#include <string.h>

static sledstore_stats_info stats_of(const sledstore *store, uint64_t flags)
{
    sledstore_stats_info stats = SLEDSTORE_STATS_INIT;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_stats(store, flags, &stats, &error));
    CHECK_NUMBER(sizeof stats, stats.struct_size);
    return stats;
}

TEST(stats_tell_what_was_done_and_what_is_there)
{
    sledstore *store = check_open("store"), *words = check_open_tree(store, "words");
    sledstore_snapshot *snapshot;
    sledstore_txn *txn;
    check_put(store, "a", "1");
    check_put(store, "b", "2");
    check_put(words, "c", "3");
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_put_with_ttl(store, TEXT("d"), TEXT("4"), 3600000, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_delete(store, TEXT("b"), &error));
    CHECK_VALUE(store, "a", "1");
    CHECK_ABSENT(store, "b");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_begin(store, &txn, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_put(txn, NULL, TEXT("e"), TEXT("5"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_commit(txn, 0, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_snapshot_new(store, &snapshot, &error));
    check_put(store, "a", "newer");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_flush(store, &error));

    sledstore_stats_info stats = stats_of(store, SLEDSTORE_STATS_KEYS);
    CHECK_NUMBER(3, stats.keys);
    CHECK_NUMBER(1, stats.expiring_keys);
    CHECK_NUMBER(2, stats.keyspaces);
    CHECK(stats.bytes_on_disk > 0 && stats.version_bytes > 0);
    CHECK_NUMBER(1, stats.moments);
    CHECK_NUMBER(1, stats.versions);
    CHECK_NUMBER(1, stats.snapshots);
    CHECK_NUMBER(1, stats.transactions_begun);
    CHECK_NUMBER(1, stats.transactions_committed);
    CHECK_NUMBER(0, stats.transactions_conflicted);
    CHECK(stats.gets >= 2 && stats.flushes >= 1);
    CHECK_NUMBER(6, stats.puts);
    CHECK_NUMBER(1, stats.deletes);
    CHECK_NUMBER(0, stats.background_error);
    CHECK_NUMBER(0, stats_of(store, 0).keys);
    CHECK_NUMBER(1, stats_of(words, SLEDSTORE_STATS_KEYS).keys);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_snapshot_free(snapshot));
    CHECK_NUMBER(0, stats_of(store, 0).snapshots);
    check_close(store);
}

TEST(stats_are_text_too)
{
    sledstore *store = check_open("store");
    sledstore_value *text;
    char copy[4096];
    check_put(store, "a", "1");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_stats_text(store, SLEDSTORE_STATS_KEYS, &text, &error));
    size_t len = sledstore_value_len(text);
    CHECK(len < sizeof copy);
    memcpy(copy, sledstore_value_data(text), len);
    copy[len] = '\0';
    CHECK_CONTAINS(copy, "keys: 1, of which 0 expire\n");
    CHECK_CONTAINS(copy, "puts: 1,");
    CHECK_CONTAINS(copy, "background error: none\n");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_value_free(text));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_stats_text(store, 0, &text, &error));
    CHECK(memcmp(sledstore_value_data(text), "keyspaces: 1\n", 13) == 0);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_value_free(text));
    check_close(store);
}

TEST(stats_of_programs_of_other_versions)
{
    sledstore *store = check_open("store");
    struct {
        sledstore_stats_info known;
        uint64_t later, beyond;
    } newer;
    memset(&newer, 0x77, sizeof newer);
    newer.known.struct_size = sizeof newer.known + 8;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_stats(store, 0, &newer.known, &error));
    CHECK_NUMBER(sizeof newer.known + 8, newer.known.struct_size);
    CHECK_NUMBER(1, newer.known.keyspaces);
    CHECK_NUMBER(0, newer.later);
    CHECK_NUMBER(UINT64_C(0x7777777777777777), newer.beyond);
    check_close(store);
}

TEST(stats_refuse_bad_arguments)
{
    sledstore *store = check_open("store");
    sledstore_stats_info stats = SLEDSTORE_STATS_INIT, small = SLEDSTORE_STATS_INIT;
    sledstore_value *text;
    stats.keys = 7;
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED, sledstore_stats(store, 2, &stats, &error));
    CHECK_NUMBER(0, stats.keys);
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_stats(store, 0, NULL, &error));
    small.struct_size = 144;
    small.keys = 7;
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_stats(store, 0, &small, &error));
    small.struct_size = 5000;
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_stats(store, 0, &small, &error));
    CHECK_NUMBER(7, small.keys); /* nobody knows whether it is there */
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_stats(NULL, 0, &stats, &error));
    CHECK_STATUS(SLEDSTORE_WRONG_HANDLE,
                 sledstore_stats((const sledstore *)&stats, 0, &stats, &error));
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED, sledstore_stats_text(store, 2, &text, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_stats_text(store, 0, NULL, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_stats_text(NULL, 0, &text, &error));
    CHECK(text == NULL);
    check_close(store);
    CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_stats(store, 0, &stats, &error));
    CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_stats_text(store, 0, &text, &error));
}
