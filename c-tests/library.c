/* The library itself: its version, its features, the numbers and names of its statuses, the
 * values of its constants and the layout of its structs. These never change once published. */
#include "check.h"

TEST(version_macros_compose_and_match_the_library)
{
    char text[64];
    snprintf(text, sizeof text, "%d.%d.%d", SLEDSTORE_VERSION_MAJOR, SLEDSTORE_VERSION_MINOR,
             SLEDSTORE_VERSION_PATCH);
    CHECK(strcmp(text, SLEDSTORE_VERSION_STRING) == 0);
    CHECK(strcmp(text, sledstore_version()) == 0);
    CHECK_NUMBER(SLEDSTORE_VERSION_MAJOR * 1000000 + SLEDSTORE_VERSION_MINOR * 1000
                     + SLEDSTORE_VERSION_PATCH,
                 SLEDSTORE_VERSION_NUMBER);
    CHECK_NUMBER(SLEDSTORE_VERSION_NUMBER, sledstore_version_number());
}

TEST(build_info_names_version_and_engine)
{
    CHECK_CONTAINS(sledstore_build_info(), SLEDSTORE_VERSION_STRING);
    CHECK_CONTAINS(sledstore_build_info(), "sled 0.34");
}

TEST(features_are_known_by_name)
{
    CHECK(sledstore_has_feature("ttl"));
    CHECK(sledstore_has_feature("keyspaces"));
    CHECK(sledstore_has_feature("snapshots"));
    CHECK(sledstore_has_feature("transactions"));
    CHECK(sledstore_has_feature("batch"));
    CHECK(sledstore_has_feature("iterators"));
    CHECK(sledstore_has_feature("watches"));
    CHECK(sledstore_has_feature("merge"));
    CHECK(!sledstore_has_feature("compression"));
    CHECK(!sledstore_has_feature("TTL"));
    CHECK(!sledstore_has_feature("time travel"));
    CHECK(!sledstore_has_feature("\xff\xfe"));
    CHECK(!sledstore_has_feature(""));
    CHECK(!sledstore_has_feature(NULL));
}

/* ---- statuses ---------------------------------------------------------------------------- */

static const struct {
    int32_t status;
    int32_t number;
    const char *name;
} statuses[] = {
#define STATUS(status, number)  \
    {                           \
        status, number, #status \
    }
    STATUS(SLEDSTORE_OK, 0),
    STATUS(SLEDSTORE_IO, -1),
    STATUS(SLEDSTORE_CORRUPTION, -2),
    STATUS(SLEDSTORE_NOT_FOUND, 3),
    STATUS(SLEDSTORE_ALREADY_EXISTS, -4),
    STATUS(SLEDSTORE_TXN_CONFLICT, -5),
    STATUS(SLEDSTORE_READ_ONLY, -6),
    STATUS(SLEDSTORE_TIMEOUT, -7),
    STATUS(SLEDSTORE_CAPACITY_EXCEEDED, -8),
    STATUS(SLEDSTORE_CAS_MISMATCH, 9),
    STATUS(SLEDSTORE_KEY_NOT_FOUND, 10),
    STATUS(SLEDSTORE_UNSUPPORTED, -11),
    STATUS(SLEDSTORE_OTHER, -12),
    STATUS(SLEDSTORE_END, 100),
    STATUS(SLEDSTORE_NO_TTL, 101),
    STATUS(SLEDSTORE_NO_EVENT, 102),
    STATUS(SLEDSTORE_INVALID_ARGUMENT, -100),
    STATUS(SLEDSTORE_WRONG_HANDLE, -101),
    STATUS(SLEDSTORE_CLOSED, -102),
    STATUS(SLEDSTORE_BUSY, -103),
    STATUS(SLEDSTORE_REENTRANT, -104),
    STATUS(SLEDSTORE_LOCKED, -105),
    STATUS(SLEDSTORE_FORKED, -106),
    STATUS(SLEDSTORE_PANIC, -107),
    STATUS(SLEDSTORE_BUFFER_TOO_SMALL, -108),
    STATUS(SLEDSTORE_DISK_FULL, -109),
    STATUS(SLEDSTORE_READ_ONLY_FILESYSTEM, -110),
    STATUS(SLEDSTORE_KEYSPACE_DROPPED, -111),
    STATUS(SLEDSTORE_TXN_OVER, -112),
    STATUS(SLEDSTORE_TOO_MANY_HANDLES, -113),
    STATUS(SLEDSTORE_TOO_OLD, -114),
    STATUS(SLEDSTORE_MERGE_FAILED, -115),
    STATUS(SLEDSTORE_CANCELLED, -116),
#undef STATUS
};

enum { STATUS_COUNT = sizeof statuses / sizeof statuses[0] };

TEST(status_numbers_never_change)
{
    for (size_t at = 0; at < STATUS_COUNT; at++) {
        CHECK(statuses[at].status == statuses[at].number);
    }
    CHECK_NUMBER(4, sizeof(sledstore_status));
}

TEST(every_status_has_its_name_and_a_message_of_its_own)
{
    for (size_t at = 0; at < STATUS_COUNT; at++) {
        CHECK(strcmp(sledstore_status_name(statuses[at].number), statuses[at].name) == 0);
        const char *message = sledstore_status_message(statuses[at].number);
        CHECK(message != NULL && message[0] != '\0');
        for (size_t other = 0; other < at; other++) {
            CHECK(strcmp(message, sledstore_status_message(statuses[other].number)) != 0);
        }
    }
}

TEST(numbers_that_are_no_status_are_named_unknown)
{
    static const int32_t numbers[] = {1,  2,   11,   99,        103,      12345,
                                      -3, -99, -199, INT32_MAX, INT32_MIN};
    const char *unknown = sledstore_status_name(54321);
    CHECK(strcmp(unknown, "SLEDSTORE_UNKNOWN_STATUS") == 0);
    for (size_t at = 0; at < sizeof numbers / sizeof numbers[0]; at++) {
        CHECK(strcmp(sledstore_status_name(numbers[at]), unknown) == 0);
        CHECK(sledstore_status_message(numbers[at])[0] != '\0');
        CHECK(!sledstore_status_is_retryable(numbers[at]));
        CHECK(!sledstore_status_is_misuse(numbers[at]));
    }
    for (size_t at = 0; at < STATUS_COUNT; at++) {
        CHECK(strcmp(statuses[at].name, unknown) != 0);
    }
}

static bool is_one_of(int32_t status, const int32_t *list, size_t count)
{
    for (size_t at = 0; at < count; at++) {
        if (list[at] == status) {
            return true;
        }
    }
    return false;
}

TEST(retryable_and_misuse_tell_failures_apart)
{
    static const int32_t retryable[] = {SLEDSTORE_TXN_CONFLICT, SLEDSTORE_BUSY, SLEDSTORE_LOCKED};
    static const int32_t misuse[] = {SLEDSTORE_INVALID_ARGUMENT,
                                     SLEDSTORE_WRONG_HANDLE,
                                     SLEDSTORE_CLOSED,
                                     SLEDSTORE_KEYSPACE_DROPPED,
                                     SLEDSTORE_TXN_OVER,
                                     SLEDSTORE_REENTRANT,
                                     SLEDSTORE_FORKED};
    for (size_t at = 0; at < STATUS_COUNT; at++) {
        int32_t status = statuses[at].number;
        CHECK(sledstore_status_is_retryable(status) == is_one_of(status, retryable, 3));
        CHECK(sledstore_status_is_misuse(status) == is_one_of(status, misuse, 7));
    }
}

/* ---- constants and layout ---------------------------------------------------------------- */

TEST(constants_have_their_published_values)
{
    CHECK_NUMBER(1, SLEDSTORE_KIND_STORE);
    CHECK_NUMBER(2, SLEDSTORE_KIND_BATCH);
    CHECK_NUMBER(3, SLEDSTORE_KIND_ITER);
    CHECK_NUMBER(4, SLEDSTORE_KIND_VALUE);
    CHECK_NUMBER(5, SLEDSTORE_KIND_ERROR);
    CHECK_NUMBER(6, SLEDSTORE_KIND_SNAPSHOT);
    CHECK_NUMBER(7, SLEDSTORE_KIND_TXN);
    CHECK_NUMBER(8, SLEDSTORE_KIND_WATCH);
    CHECK_NUMBER(9, SLEDSTORE_KIND_CHANGES);
    CHECK_NUMBER(1, SLEDSTORE_CHANGE_PUT);
    CHECK_NUMBER(2, SLEDSTORE_CHANGE_REMOVE);
    CHECK_NUMBER(3, SLEDSTORE_CHANGE_EXPIRE);
    CHECK_NUMBER(4, SLEDSTORE_CHANGE_DROP_KEYSPACE);
    CHECK_NUMBER(1, SLEDSTORE_EVENT_INSERT);
    CHECK_NUMBER(2, SLEDSTORE_EVENT_UPDATE);
    CHECK_NUMBER(3, SLEDSTORE_EVENT_REMOVE);
    CHECK_NUMBER(4, SLEDSTORE_EVENT_EXPIRE);
    CHECK_NUMBER(5, SLEDSTORE_EVENT_LOST);
    CHECK_NUMBER(UINT32_MAX, SLEDSTORE_WAIT_FOREVER);
    CHECK_NUMBER(10, SLEDSTORE_KIND_SINK);
    CHECK(SLEDSTORE_MERGE_KEEP == 0 && SLEDSTORE_MERGE_DELETE == 1 && SLEDSTORE_MERGE_FAIL == -1);
    CHECK_NUMBER(1, SLEDSTORE_MERGE_APPEND);
    CHECK_NUMBER(2, SLEDSTORE_MERGE_ADD_SATURATING);
    CHECK_NUMBER(3, SLEDSTORE_MERGE_ADD_WRAPPING);
    CHECK_NUMBER(4, SLEDSTORE_MERGE_MIN);
    CHECK_NUMBER(5, SLEDSTORE_MERGE_MAX);
    CHECK_NUMBER(6, SLEDSTORE_MERGE_OR);
    CHECK_NUMBER(0, SLEDSTORE_MERGE_BYTES);
    CHECK_NUMBER(1, SLEDSTORE_MERGE_U64_LE);
    CHECK_NUMBER(2, SLEDSTORE_MERGE_U64_BE);
    CHECK_NUMBER(3, SLEDSTORE_MERGE_I64_LE);
    CHECK_NUMBER(4, SLEDSTORE_MERGE_I64_BE);
    CHECK_NUMBER(1, SLEDSTORE_OPEN_MUST_EXIST);
    CHECK_NUMBER(2, SLEDSTORE_OPEN_MUST_CREATE);
    CHECK_NUMBER(4, SLEDSTORE_OPEN_COMPRESSION);
    CHECK_NUMBER(8, SLEDSTORE_OPEN_TEMPORARY);
    CHECK_NUMBER(16, SLEDSTORE_OPEN_SALVAGE);
    CHECK_NUMBER(32, SLEDSTORE_OPEN_READ_ONLY);
    CHECK_NUMBER(1, SLEDSTORE_KEYSPACE_MUST_EXIST);
    CHECK_NUMBER(UINT32_MAX, SLEDSTORE_FLUSH_NEVER);
    CHECK_NUMBER(1, SLEDSTORE_MODE_LOW_SPACE);
    CHECK_NUMBER(2, SLEDSTORE_MODE_HIGH_THROUGHPUT);
    CHECK_NUMBER(1, SLEDSTORE_ITER_LOWER_EXCLUSIVE);
    CHECK_NUMBER(2, SLEDSTORE_ITER_UPPER_INCLUSIVE);
    CHECK_NUMBER(4, SLEDSTORE_ITER_KEYS_ONLY);
    CHECK_NUMBER(1, SLEDSTORE_RESTORE_MERGE);
    CHECK_NUMBER(1, SLEDSTORE_STATS_KEYS);
    CHECK_NUMBER(1, SLEDSTORE_DUMP_BINARY);
    CHECK_NUMBER(2, SLEDSTORE_DUMP_BYTEVALUE);
    CHECK_NUMBER(3, SLEDSTORE_DUMP_PRINT);
}

TEST(struct_layout_never_changes)
{
    if (sizeof(void *) != 8) {
        check_skip("the layout is written down for 64 bits");
    }
    CHECK_NUMBER(16, sizeof(sledstore_bytes));
    CHECK_NUMBER(0, offsetof(sledstore_bytes, data));
    CHECK_NUMBER(8, offsetof(sledstore_bytes, len));
    CHECK_NUMBER(32, sizeof(sledstore_pair));
    CHECK_NUMBER(0, offsetof(sledstore_pair, key));
    CHECK_NUMBER(16, offsetof(sledstore_pair, value));

    CHECK_NUMBER(80, sizeof(sledstore_open_options)); /* no padding at the end */
    CHECK_NUMBER(0, offsetof(sledstore_open_options, struct_size));
    CHECK_NUMBER(8, offsetof(sledstore_open_options, flags));
    CHECK_NUMBER(16, offsetof(sledstore_open_options, cache_capacity));
    CHECK_NUMBER(24, offsetof(sledstore_open_options, segment_size));
    CHECK_NUMBER(32, offsetof(sledstore_open_options, snapshot_memory));
    CHECK_NUMBER(40, offsetof(sledstore_open_options, memtable_size));
    CHECK_NUMBER(48, offsetof(sledstore_open_options, keep_log));
    CHECK_NUMBER(56, offsetof(sledstore_open_options, flush_every_ms));
    CHECK_NUMBER(60, offsetof(sledstore_open_options, lock_timeout_ms));
    CHECK_NUMBER(64, offsetof(sledstore_open_options, mode));
    CHECK_NUMBER(68, offsetof(sledstore_open_options, durability));
    CHECK_NUMBER(72, offsetof(sledstore_open_options, purge_every_ms));

    CHECK_NUMBER(64, sizeof(sledstore_iter_options));
    CHECK_NUMBER(0, offsetof(sledstore_iter_options, struct_size));
    CHECK_NUMBER(8, offsetof(sledstore_iter_options, flags));
    CHECK_NUMBER(16, offsetof(sledstore_iter_options, lower));
    CHECK_NUMBER(32, offsetof(sledstore_iter_options, upper));
    CHECK_NUMBER(48, offsetof(sledstore_iter_options, prefix));

    CHECK_NUMBER(24, sizeof(sledstore_watch_options));
    CHECK_NUMBER(0, offsetof(sledstore_watch_options, struct_size));
    CHECK_NUMBER(8, offsetof(sledstore_watch_options, max_events));
    CHECK_NUMBER(16, offsetof(sledstore_watch_options, max_bytes));

    CHECK_NUMBER(72, sizeof(sledstore_change));
    CHECK_NUMBER(0, offsetof(sledstore_change, kind));
    CHECK_NUMBER(4, offsetof(sledstore_change, ends_commit));
    CHECK_NUMBER(8, offsetof(sledstore_change, sequence));
    CHECK_NUMBER(16, offsetof(sledstore_change, keyspace));
    CHECK_NUMBER(32, offsetof(sledstore_change, key));
    CHECK_NUMBER(48, offsetof(sledstore_change, value));
    CHECK_NUMBER(64, offsetof(sledstore_change, expires_at_ms));

    CHECK_NUMBER(64, sizeof(sledstore_event));
    CHECK_NUMBER(0, offsetof(sledstore_event, kind));
    CHECK_NUMBER(4, offsetof(sledstore_event, ends_commit));
    CHECK_NUMBER(8, offsetof(sledstore_event, sequence));
    CHECK_NUMBER(16, offsetof(sledstore_event, key));
    CHECK_NUMBER(32, offsetof(sledstore_event, value));
    CHECK_NUMBER(48, offsetof(sledstore_event, expires_at_ms));
    CHECK_NUMBER(56, offsetof(sledstore_event, lost));

    CHECK_NUMBER(32, sizeof(sledstore_txn_callback));
    CHECK_NUMBER(0, offsetof(sledstore_txn_callback, struct_size));
    CHECK_NUMBER(8, offsetof(sledstore_txn_callback, ctx));
    CHECK_NUMBER(16, offsetof(sledstore_txn_callback, run));
    CHECK_NUMBER(24, offsetof(sledstore_txn_callback, destroy));

    CHECK_NUMBER(32, sizeof(sledstore_finding_callback));
    CHECK_NUMBER(0, offsetof(sledstore_finding_callback, struct_size));
    CHECK_NUMBER(8, offsetof(sledstore_finding_callback, ctx));
    CHECK_NUMBER(16, offsetof(sledstore_finding_callback, finding));
    CHECK_NUMBER(24, offsetof(sledstore_finding_callback, destroy));
    CHECK_NUMBER(32, sizeof(sledstore_merge_operator));
    CHECK_NUMBER(0, offsetof(sledstore_merge_operator, struct_size));
    CHECK_NUMBER(8, offsetof(sledstore_merge_operator, ctx));
    CHECK_NUMBER(16, offsetof(sledstore_merge_operator, merge));
    CHECK_NUMBER(24, offsetof(sledstore_merge_operator, destroy));
    CHECK_NUMBER(32, sizeof(sledstore_progress_callback));
    CHECK_NUMBER(0, offsetof(sledstore_progress_callback, struct_size));
    CHECK_NUMBER(8, offsetof(sledstore_progress_callback, ctx));
    CHECK_NUMBER(16, offsetof(sledstore_progress_callback, progress));
    CHECK_NUMBER(24, offsetof(sledstore_progress_callback, destroy));

    CHECK_NUMBER(32, sizeof(sledstore_write_callback));
    CHECK_NUMBER(0, offsetof(sledstore_write_callback, struct_size));
    CHECK_NUMBER(8, offsetof(sledstore_write_callback, ctx));
    CHECK_NUMBER(16, offsetof(sledstore_write_callback, write));
    CHECK_NUMBER(24, offsetof(sledstore_write_callback, destroy));

    CHECK_NUMBER(32, sizeof(sledstore_read_callback));
    CHECK_NUMBER(0, offsetof(sledstore_read_callback, struct_size));
    CHECK_NUMBER(8, offsetof(sledstore_read_callback, ctx));
    CHECK_NUMBER(16, offsetof(sledstore_read_callback, read));
    CHECK_NUMBER(24, offsetof(sledstore_read_callback, destroy));

    CHECK_NUMBER(152, sizeof(sledstore_stats_info));
    CHECK_NUMBER(0, offsetof(sledstore_stats_info, struct_size));
    CHECK_NUMBER(8, offsetof(sledstore_stats_info, keys));
    CHECK_NUMBER(16, offsetof(sledstore_stats_info, expiring_keys));
    CHECK_NUMBER(24, offsetof(sledstore_stats_info, keyspaces));
    CHECK_NUMBER(32, offsetof(sledstore_stats_info, bytes_on_disk));
    CHECK_NUMBER(40, offsetof(sledstore_stats_info, moments));
    CHECK_NUMBER(48, offsetof(sledstore_stats_info, versions));
    CHECK_NUMBER(56, offsetof(sledstore_stats_info, version_bytes));
    CHECK_NUMBER(64, offsetof(sledstore_stats_info, snapshots));
    CHECK_NUMBER(72, offsetof(sledstore_stats_info, transactions_begun));
    CHECK_NUMBER(80, offsetof(sledstore_stats_info, transactions_committed));
    CHECK_NUMBER(88, offsetof(sledstore_stats_info, transactions_conflicted));
    CHECK_NUMBER(96, offsetof(sledstore_stats_info, gets));
    CHECK_NUMBER(104, offsetof(sledstore_stats_info, puts));
    CHECK_NUMBER(112, offsetof(sledstore_stats_info, deletes));
    CHECK_NUMBER(120, offsetof(sledstore_stats_info, flushes));
    CHECK_NUMBER(128, offsetof(sledstore_stats_info, flush_us));
    CHECK_NUMBER(136, offsetof(sledstore_stats_info, checkpoints));
    CHECK_NUMBER(144, offsetof(sledstore_stats_info, background_error));

    CHECK_NUMBER(40, sizeof(sledstore_progress));
    CHECK_NUMBER(0, offsetof(sledstore_progress, struct_size));
    CHECK_NUMBER(8, offsetof(sledstore_progress, rows_done));
    CHECK_NUMBER(16, offsetof(sledstore_progress, rows_total));
    CHECK_NUMBER(24, offsetof(sledstore_progress, bytes_done));
    CHECK_NUMBER(32, offsetof(sledstore_progress, bytes_total));
}

TEST(init_macros_set_the_size_and_nothing_else)
{
    sledstore_open_options open = SLEDSTORE_OPEN_OPTIONS_INIT;
    sledstore_open_options open_zero;
    memset(&open_zero, 0, sizeof open_zero);
    CHECK_NUMBER(sizeof open, open.struct_size);
    open.struct_size = 0;
    CHECK(memcmp(&open, &open_zero, sizeof open) == 0);

    sledstore_iter_options iter = SLEDSTORE_ITER_OPTIONS_INIT;
    CHECK_NUMBER(sizeof iter, iter.struct_size);
    CHECK_NUMBER(0, iter.flags);
    CHECK(iter.lower.data == NULL && iter.lower.len == 0);
    CHECK(iter.upper.data == NULL && iter.upper.len == 0);
    CHECK(iter.prefix.data == NULL && iter.prefix.len == 0);

    sledstore_watch_options watch = SLEDSTORE_WATCH_OPTIONS_INIT;
    CHECK_NUMBER(sizeof watch, watch.struct_size);
    CHECK(watch.max_events == 0 && watch.max_bytes == 0);

    sledstore_txn_callback callback = SLEDSTORE_TXN_CALLBACK_INIT;
    CHECK_NUMBER(sizeof callback, callback.struct_size);
    CHECK(callback.ctx == NULL && callback.run == NULL && callback.destroy == NULL);

    sledstore_finding_callback finding = SLEDSTORE_FINDING_CALLBACK_INIT;
    CHECK_NUMBER(sizeof finding, finding.struct_size);
    CHECK(finding.ctx == NULL && finding.finding == NULL && finding.destroy == NULL);
    sledstore_merge_operator merging = SLEDSTORE_MERGE_OPERATOR_INIT;
    CHECK_NUMBER(sizeof merging, merging.struct_size);
    CHECK(merging.ctx == NULL && merging.merge == NULL && merging.destroy == NULL);
    sledstore_stats_info stats = SLEDSTORE_STATS_INIT, no_stats;
    memset(&no_stats, 0, sizeof no_stats);
    CHECK_NUMBER(sizeof stats, stats.struct_size);
    stats.struct_size = 0;
    CHECK(memcmp(&stats, &no_stats, sizeof stats) == 0);

    sledstore_write_callback sink = SLEDSTORE_WRITE_CALLBACK_INIT;
    CHECK_NUMBER(sizeof sink, sink.struct_size);
    CHECK(sink.ctx == NULL && sink.write == NULL && sink.destroy == NULL);
    sledstore_read_callback source = SLEDSTORE_READ_CALLBACK_INIT;
    CHECK_NUMBER(sizeof source, source.struct_size);
    CHECK(source.ctx == NULL && source.read == NULL && source.destroy == NULL);

    sledstore_progress_callback progress = SLEDSTORE_PROGRESS_CALLBACK_INIT;
    CHECK_NUMBER(sizeof progress, progress.struct_size);
    CHECK(progress.ctx == NULL && progress.progress == NULL && progress.destroy == NULL);
}

/* ---- live handles ------------------------------------------------------------------------ */

TEST(live_handles_are_counted_kind_by_kind)
{
    sledstore *store = check_open("store");
    check_put(store, "key", "value");
    CHECK_NUMBER(1, check_live(SLEDSTORE_KIND_STORE));

    sledstore_batch *batch;
    sledstore_iter *iter;
    sledstore_value *value;
    sledstore_error *failure;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_new(&batch, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_new(store, NULL, &iter, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_get(store, TEXT("key"), &value, &error));
    CHECK(sledstore_flush(NULL, &failure) == SLEDSTORE_INVALID_ARGUMENT);
    for (int32_t kind = SLEDSTORE_KIND_STORE; kind <= SLEDSTORE_KIND_ERROR; kind++) {
        CHECK_NUMBER(1, check_live(kind));
    }
    CHECK_NUMBER(5, check_live(0));

    CHECK_STATUS(SLEDSTORE_OK, sledstore_error_free(failure));
    CHECK_NUMBER(0, check_live(SLEDSTORE_KIND_ERROR));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_value_free(value));
    CHECK_NUMBER(0, check_live(SLEDSTORE_KIND_VALUE));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_free(iter));
    CHECK_NUMBER(0, check_live(SLEDSTORE_KIND_ITER));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_free(batch));
    CHECK_NUMBER(0, check_live(SLEDSTORE_KIND_BATCH));
    check_close(store);
    CHECK_NUMBER(0, check_live(SLEDSTORE_KIND_STORE));
}

TEST(live_handles_refuses_kinds_that_do_not_exist)
{
    static const int32_t kinds[] = {-1, 99, INT32_MAX, INT32_MIN};
    for (size_t at = 0; at < sizeof kinds / sizeof kinds[0]; at++) {
        size_t count = 77;
        CHECK_STATUS(SLEDSTORE_UNSUPPORTED, sledstore_live_handles(kinds[at], &count, &error));
        CHECK_NUMBER(0, count);
    }
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_live_handles(0, NULL, &error));
}
