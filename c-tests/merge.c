/* Merge operators: callbacks, and those that the library brings. */
#define _XOPEN_SOURCE 700 /* fork */

#include "check.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

/* What an operator of a test is given. */
struct counted {
    sledstore *store;
    int32_t answer;
    int calls, destroyed;
};

static sledstore_sink *old_sink; /* of a call that is over */

/* Appends the operand: writes in two parts, to show that they follow each other. */
static int32_t append(void *ctx, const sledstore_bytes *key, const sledstore_bytes *old,
                      const sledstore_bytes *operand, sledstore_sink *sink)
{
    struct counted *counted = ctx;
    counted->calls++;
    CHECK(counted->destroyed == 0 && key->data != NULL && operand->data != NULL);
    if (old != NULL) {
        CHECK_STATUS(SLEDSTORE_OK, sledstore_sink_write(sink, old->data, old->len, &error));
    }
    CHECK_STATUS(SLEDSTORE_OK, sledstore_sink_write(sink, operand->data, operand->len, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_sink_write(sink, NULL, 0, &error));
    old_sink = sink;
    return counted->answer;
}

static void destroy(void *ctx)
{
    ((struct counted *)ctx)->destroyed++;
}

static sledstore_merge_operator operator_of(struct counted *counted)
{
    sledstore_merge_operator it = SLEDSTORE_MERGE_OPERATOR_INIT;
    it.ctx = counted;
    it.merge = append;
    it.destroy = destroy;
    return it;
}

static void set(const sledstore *store, struct counted *counted)
{
    sledstore_merge_operator it = operator_of(counted);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_set_merge_operator(store, &it, &error));
}

static void set_builtin(const sledstore *store, uint32_t operation, uint32_t type)
{
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_set_builtin_merge(store, operation, type, NULL, 0, &error));
}

/* With an operator that uses `error` itself. */
static void merge_without_error(const sledstore *store, const char *key, const char *operand)
{
    CHECK(sledstore_merge(store, TEXT(key), TEXT(operand), NULL) == SLEDSTORE_OK);
}

static void merge(const sledstore *store, const char *key, const char *operand)
{
    CHECK_STATUS(SLEDSTORE_OK, sledstore_merge(store, TEXT(key), TEXT(operand), &error));
}

TEST(operator_makes_the_value_of_what_is_there_and_the_operand)
{
    sledstore *store = check_open("store"), *words = check_open_tree(store, "words");
    struct counted one = {store, SLEDSTORE_MERGE_KEEP, 0, 0}, two = one;
    set(store, &one);
    merge(store, "key", "a");
    merge(store, "key", "b");
    merge(store, "key", "");
    CHECK_VALUE(store, "key", "ab");
    CHECK_NUMBER(3, one.calls);
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED, sledstore_merge(words, TEXT("key"), TEXT("a"), &error));
    CHECK_CONTAINS(check_message(), "words");
    set(words, &two); /* each keyspace has its own, for all its handles */
    sledstore *again = check_open_tree(store, "words");
    merge(again, "key", "c");
    CHECK_VALUE(words, "key", "c");
    CHECK_NUMBER(1, two.calls);
    CHECK_NUMBER(0, check_live(SLEDSTORE_KIND_SINK));
    CHECK_NUMBER(0, one.destroyed + two.destroyed);
    check_close(store);
    CHECK_NUMBER(1, one.destroyed);
    CHECK_NUMBER(1, two.destroyed);
}

TEST(answers_of_an_operator_keep_delete_and_fail)
{
    static const int32_t failures[] = {SLEDSTORE_MERGE_FAIL, SLEDSTORE_DISK_FULL, 2, INT32_MIN};
    sledstore *store = check_open("store");
    sledstore_batch *batch;
    sledstore_txn *txn;
    struct counted it = {store, SLEDSTORE_MERGE_DELETE, 0, 0};
    set(store, &it);
    check_put(store, "key", "old");
    merge(store, "key", "a");
    merge(store, "absent", "a");
    CHECK_COUNT(store, 0);
    check_put(store, "key", "old");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_new(&batch, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_put(batch, NULL, TEXT("other"), TEXT("1"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_merge(batch, NULL, TEXT("key"), TEXT("a"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_begin(store, &txn, &error));
    for (size_t at = 0; at < sizeof failures / sizeof *failures; at++) {
        it.answer = failures[at];
        CHECK_STATUS(SLEDSTORE_MERGE_FAILED,
                     sledstore_merge(store, TEXT("key"), TEXT("a"), &error));
        CHECK_CONTAINS(check_message(), "operator");
        CHECK_STATUS(SLEDSTORE_MERGE_FAILED, sledstore_batch_apply(store, batch, 0, &error));
        CHECK_STATUS(SLEDSTORE_MERGE_FAILED,
                     sledstore_txn_merge(txn, NULL, TEXT("key"), TEXT("a"), &error));
        CHECK_VALUE(store, "key", "old");
        CHECK_COUNT(store, 1);
        CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_sink_write(old_sink, "a", 1, &error));
    }
    it.answer = SLEDSTORE_MERGE_KEEP;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_apply(store, batch, 0, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_rollback(txn, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_free(batch));
    CHECK_VALUE(store, "key", "olda");
    check_close(store);
}

TEST(operator_is_destroyed_once_and_as_soon_as_it_is_not_used)
{
    sledstore *store = check_open("store"), *words = check_open_tree(store, "words");
    struct counted one = {store, SLEDSTORE_MERGE_KEEP, 0, 0}, two = one, three = one;
    set(store, &one);
    set(store, &two);
    CHECK_NUMBER(1, one.destroyed);
    set_builtin(store, SLEDSTORE_MERGE_APPEND, SLEDSTORE_MERGE_BYTES);
    CHECK_NUMBER(1, two.destroyed);
    set(words, &three);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_drop_keyspace(store, TEXT("words"), &error));
    CHECK_NUMBER(1, three.destroyed);
    CHECK_STATUS(SLEDSTORE_KEYSPACE_DROPPED,
                 sledstore_merge(words, TEXT("key"), TEXT("a"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_release(words, &error));
    one.destroyed = 0;
    set(store, &one);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_release(store, &error));
    CHECK_NUMBER(1, one.destroyed);
    CHECK_NUMBER(0, one.calls + two.calls + three.calls);
}

TEST(operator_struct_is_checked_and_destroyed_once)
{
    struct {
        sledstore_merge_operator known;
        void (*unknown)(void);
    } newer = {SLEDSTORE_MERGE_OPERATOR_INIT, NULL};
    sledstore *store = check_open("store"), *words = check_open_tree(store, "words");
    struct counted counted = {store, SLEDSTORE_MERGE_KEEP, 0, 0};
    sledstore_merge_operator it = operator_of(&counted);
    it.merge = NULL;
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_set_merge_operator(store, NULL, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_set_merge_operator(store, &it, &error));
    CHECK_NUMBER(1, counted.destroyed); /* there was no function to merge */
    it.merge = append;
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_set_merge_operator(NULL, &it, &error));
    CHECK_NUMBER(2, counted.destroyed);
    CHECK_STATUS(SLEDSTORE_WRONG_HANDLE,
                 sledstore_set_merge_operator((const sledstore *)&it, &it, &error));
    CHECK_NUMBER(3, counted.destroyed);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_drop_keyspace(store, TEXT("words"), &error));
    CHECK_STATUS(SLEDSTORE_KEYSPACE_DROPPED, sledstore_set_merge_operator(words, &it, &error));
    CHECK_NUMBER(4, counted.destroyed);
    it.struct_size = 8;
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_set_merge_operator(store, &it, &error));
    newer.known.struct_size = sizeof newer;
    newer.unknown = check_pause;
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED, sledstore_set_merge_operator(store, &newer.known, &error));
    CHECK_NUMBER(4, counted.destroyed); /* the struct was not valid */
    CHECK_STATUS(SLEDSTORE_OK, sledstore_release(words, &error));
    check_close(store);
    it.struct_size = sizeof it;
    CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_set_merge_operator(store, &it, &error));
    CHECK_NUMBER(5, counted.destroyed);
}

TEST(arguments_of_merges_are_checked)
{
    sledstore *store = check_open("store");
    sledstore_batch *batch;
    sledstore_txn *txn;
    static char long_key[5000];
    set_builtin(store, SLEDSTORE_MERGE_APPEND, SLEDSTORE_MERGE_BYTES);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_new(&batch, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_begin(store, &txn, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_merge(NULL, "k", 1, "o", 1, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_merge(store, NULL, 1, "o", 1, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_merge(store, "k", 1, NULL, 1, &error));
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED,
                 sledstore_merge(store, long_key, sizeof long_key, "o", 1, &error));
    CHECK_STATUS(SLEDSTORE_WRONG_HANDLE,
                 sledstore_merge((const sledstore *)batch, "k", 1, "o", 1, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_batch_merge(NULL, NULL, "k", 1, "o", 1, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_batch_merge(batch, NULL, NULL, 1, "o", 1, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_batch_merge(batch, NULL, "k", 1, NULL, 1, &error));
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED,
                 sledstore_batch_merge(batch, NULL, long_key, sizeof long_key, "o", 1, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_txn_merge(NULL, NULL, "k", 1, "o", 1, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_txn_merge(txn, NULL, NULL, 1, "o", 1, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_txn_merge(txn, NULL, "k", 1, NULL, 1, &error));
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED,
                 sledstore_txn_merge(txn, NULL, long_key, sizeof long_key, "o", 1, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_sink_write(NULL, "a", 1, &error));
    CHECK_STATUS(SLEDSTORE_WRONG_HANDLE,
                 sledstore_sink_write((sledstore_sink *)batch, "a", 1, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_commit(txn, 0, &error));
    CHECK_STATUS(SLEDSTORE_TXN_OVER, sledstore_txn_merge(txn, NULL, "k", 1, "o", 1, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_free(batch));
    CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_batch_merge(batch, NULL, "k", 1, "o", 1, &error));
    CHECK_COUNT(store, 0);
    check_close(store);
    CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_merge(store, "k", 1, "o", 1, &error));
    CHECK_STATUS(SLEDSTORE_CLOSED,
                 sledstore_set_builtin_merge(store, SLEDSTORE_MERGE_OR, 0, NULL, 0, &error));
}

/* ---- with an expiry, in a batch, in a transaction -------------------------------------------- */

TEST(merge_keeps_the_expiry_of_the_key)
{
    sledstore *store = check_open("store");
    uint64_t ttl_ms;
    set_builtin(store, SLEDSTORE_MERGE_APPEND, SLEDSTORE_MERGE_BYTES);
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_put_with_ttl(store, TEXT("key"), TEXT("a"), 3600000, &error));
    merge(store, "key", "b");
    CHECK_VALUE(store, "key", "ab");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_ttl(store, TEXT("key"), &ttl_ms, &error));
    CHECK(ttl_ms > 3000000 && ttl_ms <= 3600000);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_put_with_ttl(store, TEXT("key"), TEXT("a"), 1, &error));
    while (sledstore_contains(store, TEXT("key"), NULL) == SLEDSTORE_OK) {
        check_pause();
    }
    merge(store, "key", "b");
    CHECK_VALUE(store, "key", "b");
    CHECK_STATUS(SLEDSTORE_NO_TTL, sledstore_ttl(store, TEXT("key"), &ttl_ms, &error));
    check_close(store);
}

TEST(merges_in_a_batch_are_made_in_order_when_it_is_applied)
{
    sledstore *store = check_open("store"), *words = check_open_tree(store, "words");
    sledstore_batch *batch;
    size_t len;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_new(&batch, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_merge(batch, NULL, TEXT("a"), TEXT("1"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_merge(batch, NULL, TEXT("a"), TEXT("2"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_put(batch, NULL, TEXT("b"), TEXT("1"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_merge(batch, NULL, TEXT("b"), TEXT("2"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_merge(batch, words, TEXT("a"), TEXT("3"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_len(batch, &len, &error));
    CHECK_NUMBER(5, len);
    check_put(store, "a", "0"); /* it is merged with what is there when the batch is applied */
    set_builtin(store, SLEDSTORE_MERGE_APPEND, SLEDSTORE_MERGE_BYTES);
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED, sledstore_batch_apply(store, batch, 0, &error));
    CHECK_VALUE(store, "a", "0");
    set_builtin(words, SLEDSTORE_MERGE_APPEND, SLEDSTORE_MERGE_BYTES);
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_batch_apply(store, batch, SLEDSTORE_DURABILITY_SYNCED, &error));
    CHECK_VALUE(store, "a", "012");
    CHECK_VALUE(store, "b", "12");
    CHECK_VALUE(words, "a", "3");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_free(batch));
    check_close(store);
}

TEST(merge_in_a_transaction_sees_its_writes_and_conflicts_like_a_read)
{
    sledstore *store = check_open("store"), *words = check_open_tree(store, "words");
    sledstore_txn *txn;
    set_builtin(store, SLEDSTORE_MERGE_APPEND, SLEDSTORE_MERGE_BYTES);
    check_put(store, "b", "0");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_begin(store, &txn, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_put(txn, NULL, TEXT("a"), TEXT("1"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_merge(txn, NULL, TEXT("a"), TEXT("2"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_merge(txn, NULL, TEXT("b"), TEXT("1"), &error));
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED,
                 sledstore_txn_merge(txn, words, TEXT("b"), TEXT("1"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_commit(txn, 0, &error));
    CHECK_VALUE(store, "a", "12");
    CHECK_VALUE(store, "b", "01");

    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_begin(store, &txn, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_merge(txn, NULL, TEXT("b"), TEXT("2"), &error));
    check_put(store, "b", "9");
    CHECK_STATUS(SLEDSTORE_TXN_CONFLICT, sledstore_txn_commit(txn, 0, &error));
    CHECK_VALUE(store, "b", "9");
    check_close(store);
}

/* ---- from inside of an operator -------------------------------------------------------------- */

static struct {
    sledstore *store, *other;
    sledstore_batch *batch, *free_batch;
    sledstore_iter *iter;
    sledstore_snapshot *snapshot;
    sledstore_txn *txn;
    int calls;
} outside;

/* Every sort of call has a status, and comes back. */
static int32_t misuse(void *ctx, const sledstore_bytes *key, const sledstore_bytes *old,
                      const sledstore_bytes *operand, sledstore_sink *sink)
{
    const int32_t no = SLEDSTORE_REENTRANT;
    sledstore *store = outside.store, *opened;
    sledstore_value *value;
    sledstore_iter *iter;
    sledstore_snapshot *snapshot;
    sledstore_txn *txn;
    sledstore_pair row;
    uint64_t number;
    (void)old;
    outside.calls++;
    CHECK_STATUS(no, sledstore_get(store, key->data, key->len, &value, &error));
    CHECK_STATUS(no, sledstore_put(store, key->data, key->len, "x", 1, &error));
    CHECK_STATUS(no, sledstore_merge(store, key->data, key->len, "x", 1, &error));
    CHECK_STATUS(no, sledstore_put(outside.other, TEXT("a"), TEXT("x"), &error));
    CHECK_STATUS(no, sledstore_count(store, &number, &error));
    CHECK_STATUS(no, sledstore_iter_new(store, NULL, &iter, &error));
    CHECK_STATUS(no, sledstore_iter_first(outside.iter, &row, &error));
    CHECK_STATUS(no, sledstore_snapshot_new(store, &snapshot, &error));
    CHECK_STATUS(no, sledstore_snapshot_get(outside.snapshot, NULL, TEXT("a"), &value, &error));
    CHECK_STATUS(no, sledstore_txn_begin(store, &txn, &error));
    CHECK_STATUS(no, sledstore_txn_put(outside.txn, NULL, TEXT("a"), TEXT("x"), &error));
    CHECK_STATUS(no, sledstore_txn_merge(outside.txn, NULL, TEXT("a"), TEXT("x"), &error));
    CHECK_STATUS(no, sledstore_batch_apply(store, outside.free_batch, 0, &error));
    CHECK_STATUS(no, sledstore_open_keyspace(store, TEXT("new"), 0, &opened, &error));
    CHECK_STATUS(no, sledstore_set_builtin_merge(store, SLEDSTORE_MERGE_OR, 0, NULL, 0, &error));
    CHECK_STATUS(no, sledstore_set_merge_operator(
                         store,
                         &(sledstore_merge_operator){sizeof(sledstore_merge_operator), NULL, misuse,
                                                     NULL},
                         &error));
    CHECK_STATUS(no, sledstore_flush(store, &error));
    /* Another iterator, transaction and snapshot keep it open, too. */
    CHECK_ONE_OF(sledstore_close(store, &error), SLEDSTORE_REENTRANT, SLEDSTORE_BUSY);
    if (ctx != NULL) {
        CHECK_STATUS(no, sledstore_batch_merge(outside.batch, NULL, "a", 1, "x", 1, &error));
    }
    return sledstore_sink_write(sink, operand->data, operand->len, NULL);
}

TEST(store_answers_reentrant_inside_of_an_operator)
{
    sledstore *store = check_open("store");
    sledstore_merge_operator it = SLEDSTORE_MERGE_OPERATOR_INIT;
    outside.store = store;
    outside.other = check_open("other");
    it.merge = misuse;
    check_put(store, "row", "1");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_set_merge_operator(store, &it, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_new(&outside.batch, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_new(&outside.free_batch, &error));
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_batch_merge(outside.batch, NULL, TEXT("b"), TEXT("2"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_new(store, NULL, &outside.iter, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_snapshot_new(store, &outside.snapshot, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_begin(store, &outside.txn, &error));
    merge_without_error(store, "a", "1");
    CHECK_VALUE(store, "a", "1");
    CHECK(sledstore_txn_merge(outside.txn, NULL, TEXT("c"), TEXT("3"), NULL) == SLEDSTORE_OK);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_commit(outside.txn, 0, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_begin(store, &outside.txn, &error));
    it.ctx = store;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_set_merge_operator(store, &it, &error));
    CHECK(sledstore_batch_apply(store, outside.batch, 0, NULL) == SLEDSTORE_OK);
    CHECK_VALUE(store, "b", "2");
    CHECK_VALUE(store, "c", "3");
    CHECK(outside.calls >= 3);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_free(outside.iter));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_snapshot_free(outside.snapshot));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_rollback(outside.txn, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_free(outside.batch));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_batch_free(outside.free_batch));
    CHECK_COUNT(outside.other, 0);
    check_close(outside.other);
    CHECK_COUNT(store, 4);
    check_close(store);
}

static int32_t too_much(void *ctx, const sledstore_bytes *key, const sledstore_bytes *old,
                        const sledstore_bytes *operand, sledstore_sink *sink)
{
    const size_t most = 1073741824;
    (void)key, (void)old;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_sink_write(sink, operand->data, operand->len, &error));
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED, sledstore_sink_write(sink, ctx, most, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_sink_write(sink, NULL, 1, &error));
    return SLEDSTORE_MERGE_KEEP;
}

TEST(sink_takes_no_more_than_a_value_can_have)
{
    sledstore *store = check_open("store");
    sledstore_merge_operator it = SLEDSTORE_MERGE_OPERATOR_INIT;
    it.ctx = calloc(1, 1073741824); /* pages that are never touched take no room */
    if (it.ctx == NULL) {
        check_close(store);
        check_skip("there is no room for 1 GiB of addresses");
    }
    it.merge = too_much;
    it.destroy = free;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_set_merge_operator(store, &it, &error));
    merge_without_error(store, "key", "a");
    CHECK_VALUE(store, "key", "a");
    check_close(store);
}

static int32_t fork_and_return(void *ctx, const sledstore_bytes *key, const sledstore_bytes *old,
                               const sledstore_bytes *operand, sledstore_sink *sink)
{
    (void)key, (void)old;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_sink_write(sink, operand->data, operand->len, &error));
    *(pid_t *)ctx = fork();
    return SLEDSTORE_MERGE_KEEP;
}

static void exit_if_destroyed_in_a_child(void *ctx)
{
    if (*(pid_t *)ctx == 0) {
        _exit(12);
    }
}

TEST(operator_that_forks_merges_in_the_parent_only)
{
    sledstore *store = check_open("store");
    sledstore_merge_operator it = SLEDSTORE_MERGE_OPERATOR_INIT;
    sledstore_error *why = NULL;
    pid_t child = -1;
    it.ctx = &child;
    it.merge = fork_and_return;
    it.destroy = exit_if_destroyed_in_a_child;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_set_merge_operator(store, &it, &error));
    int32_t status = sledstore_merge(store, TEXT("key"), TEXT("a"), &why);
    if (child == 0) {
        bool is_told = sledstore_error_status(why) == SLEDSTORE_FORKED;
        _exit(status == SLEDSTORE_FORKED && is_told ? 10 : 11);
    }
    CHECK(child > 0 && status == SLEDSTORE_OK);
    CHECK_NUMBER(10, check_wait_for((int)child));
    CHECK_VALUE(store, "key", "a");
    check_close(store);
}

/* ---- what the library brings ------------------------------------------------------------------ */

struct number {
    unsigned char bytes[8];
};

static struct number number(uint32_t type, uint64_t value)
{
    struct number it;
    bool is_big = type == SLEDSTORE_MERGE_U64_BE || type == SLEDSTORE_MERGE_I64_BE;
    for (int at = 0; at < 8; at++) {
        it.bytes[is_big ? 7 - at : at] = (unsigned char)(value >> 8 * at);
    }
    return it;
}

/* Sets the key to a number, and merges another one. */
static void expect(const sledstore *store, uint32_t operation, uint32_t type, uint64_t old,
                   uint64_t operand, uint64_t expected)
{
    struct number first = number(type, old), second = number(type, operand);
    struct number result = number(type, expected), found;
    size_t len;
    set_builtin(store, operation, type);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_delete(store, TEXT("n"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_merge(store, TEXT("n"), first.bytes, 8, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_merge(store, TEXT("n"), second.bytes, 8, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_get_into(store, TEXT("n"), &found, 8, &len, &error));
    CHECK_BYTES(result.bytes, 8, found.bytes, len);
}

TEST(integers_are_added_and_compared_in_each_of_their_forms)
{
    sledstore *store = check_open("store");
    const uint32_t saturating = SLEDSTORE_MERGE_ADD_SATURATING;
    const uint32_t wrapping = SLEDSTORE_MERGE_ADD_WRAPPING;
    const uint64_t minus_one = UINT64_MAX, most = INT64_MAX, least = (uint64_t)INT64_MAX + 1;
    for (uint32_t type = SLEDSTORE_MERGE_U64_LE; type <= SLEDSTORE_MERGE_I64_BE; type++) {
        bool is_signed = type >= SLEDSTORE_MERGE_I64_LE;
        expect(store, saturating, type, 255, 2, 257);
        expect(store, wrapping, type, 255, 2, 257);
        expect(store, saturating, type, is_signed ? most : UINT64_MAX, 1,
               is_signed ? most : UINT64_MAX);
        expect(store, wrapping, type, is_signed ? most : UINT64_MAX, 1, is_signed ? least : 0);
        expect(store, SLEDSTORE_MERGE_MIN, type, 1, 256, 1);
        expect(store, SLEDSTORE_MERGE_MAX, type, 1, 256, 256);
        expect(store, SLEDSTORE_MERGE_MIN, type, minus_one, 1, is_signed ? minus_one : 1);
        expect(store, SLEDSTORE_MERGE_MAX, type, minus_one, 1, is_signed ? 1 : minus_one);
        if (is_signed) {
            expect(store, saturating, type, least, minus_one, least);
            expect(store, wrapping, type, least, minus_one, most);
        }
    }
    check_close(store);
}

TEST(bytes_are_appended_compared_and_united)
{
    sledstore *store = check_open("store");
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_set_builtin_merge(store, SLEDSTORE_MERGE_APPEND, SLEDSTORE_MERGE_BYTES,
                                             TEXT(", "), &error));
    merge(store, "list", "a");
    merge(store, "list", "b");
    CHECK_VALUE(store, "list", "a, b");
    set_builtin(store, SLEDSTORE_MERGE_MIN, SLEDSTORE_MERGE_BYTES);
    merge(store, "list", "a");
    CHECK_VALUE(store, "list", "a");
    set_builtin(store, SLEDSTORE_MERGE_MAX, SLEDSTORE_MERGE_BYTES);
    merge(store, "list", "aa");
    merge(store, "list", "a");
    CHECK_VALUE(store, "list", "aa");
    set_builtin(store, SLEDSTORE_MERGE_OR, SLEDSTORE_MERGE_BYTES);
    merge(store, "list", "bd");
    CHECK_VALUE(store, "list", "ce");
    check_close(store);
}

TEST(value_or_operand_of_a_wrong_length_fails_and_changes_nothing)
{
    sledstore *store = check_open("store");
    const uint32_t integers[] = {SLEDSTORE_MERGE_ADD_SATURATING, SLEDSTORE_MERGE_ADD_WRAPPING,
                                 SLEDSTORE_MERGE_MIN, SLEDSTORE_MERGE_MAX};
    for (size_t at = 0; at < 4; at++) {
        set_builtin(store, integers[at], SLEDSTORE_MERGE_U64_LE);
        CHECK_STATUS(SLEDSTORE_MERGE_FAILED,
                     sledstore_merge(store, TEXT("absent"), TEXT("1234567"), &error));
        CHECK_CONTAINS(check_message(), "operand has 7 bytes");
        check_put(store, "key", "123456789");
        CHECK_STATUS(SLEDSTORE_MERGE_FAILED,
                     sledstore_merge(store, TEXT("key"), TEXT("12345678"), &error));
        CHECK_CONTAINS(check_message(), "value has 9 bytes");
        CHECK_VALUE(store, "key", "123456789");
        CHECK_ABSENT(store, "absent");
    }
    set_builtin(store, SLEDSTORE_MERGE_OR, SLEDSTORE_MERGE_BYTES);
    CHECK_STATUS(SLEDSTORE_MERGE_FAILED,
                 sledstore_merge(store, TEXT("key"), TEXT("12345678"), &error));
    CHECK_VALUE(store, "key", "123456789");
    check_close(store);
}

TEST(builtin_operators_are_refused_where_they_make_no_sense)
{
    static const struct {
        uint32_t operation, type;
        const char *separator;
        int32_t expected;
    } wrong[] = {
        {0, SLEDSTORE_MERGE_BYTES, "", SLEDSTORE_UNSUPPORTED},
        {7, SLEDSTORE_MERGE_BYTES, "", SLEDSTORE_UNSUPPORTED},
        {UINT32_MAX, SLEDSTORE_MERGE_BYTES, "", SLEDSTORE_UNSUPPORTED},
        {SLEDSTORE_MERGE_MIN, 5, "", SLEDSTORE_UNSUPPORTED},
        {SLEDSTORE_MERGE_APPEND, SLEDSTORE_MERGE_U64_LE, "", SLEDSTORE_INVALID_ARGUMENT},
        {SLEDSTORE_MERGE_OR, SLEDSTORE_MERGE_I64_BE, "", SLEDSTORE_INVALID_ARGUMENT},
        {SLEDSTORE_MERGE_ADD_SATURATING, SLEDSTORE_MERGE_BYTES, "", SLEDSTORE_INVALID_ARGUMENT},
        {SLEDSTORE_MERGE_ADD_WRAPPING, SLEDSTORE_MERGE_BYTES, "", SLEDSTORE_INVALID_ARGUMENT},
        {SLEDSTORE_MERGE_MAX, SLEDSTORE_MERGE_BYTES, ",", SLEDSTORE_INVALID_ARGUMENT},
    };
    sledstore *store = check_open("store"), *words = check_open_tree(store, "words");
    for (size_t at = 0; at < sizeof wrong / sizeof *wrong; at++) {
        CHECK_STATUS(wrong[at].expected,
                     sledstore_set_builtin_merge(store, wrong[at].operation, wrong[at].type,
                                                 TEXT(wrong[at].separator), &error));
    }
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_set_builtin_merge(store, SLEDSTORE_MERGE_APPEND, 0, NULL, 1, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_set_builtin_merge(NULL, SLEDSTORE_MERGE_APPEND, 0, NULL, 0, &error));
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED, sledstore_merge(store, TEXT("a"), TEXT("b"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_drop_keyspace(store, TEXT("words"), &error));
    CHECK_STATUS(SLEDSTORE_KEYSPACE_DROPPED,
                 sledstore_set_builtin_merge(words, SLEDSTORE_MERGE_APPEND, 0, NULL, 0, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_release(words, &error));
    check_close(store);
}

/* ---- threads ---------------------------------------------------------------------------------- */

enum { THREADS = 8, MERGES = 2000 };

static int32_t add(void *ctx, const sledstore_bytes *key, const sledstore_bytes *old,
                   const sledstore_bytes *operand, sledstore_sink *sink)
{
    uint64_t sum, more;
    (void)ctx, (void)key;
    memcpy(&sum, operand->data, sizeof sum);
    if (old != NULL) {
        memcpy(&more, old->data, sizeof more);
        sum += more;
    }
    return sledstore_sink_write(sink, &sum, sizeof sum, NULL);
}

static void *add_ones(void *store)
{
    const uint64_t one = 1;
    for (int at = 0; at < MERGES; at++) {
        CHECK_STATUS(SLEDSTORE_OK, sledstore_merge(store, TEXT("n"), &one, sizeof one, &error));
    }
    return NULL;
}

TEST(no_merge_of_eight_threads_is_lost)
{
    sledstore *store = check_open("store");
    sledstore_merge_operator it = SLEDSTORE_MERGE_OPERATOR_INIT;
    pthread_t threads[THREADS];
    uint64_t sum = 0;
    size_t len;
    it.merge = add;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_set_merge_operator(store, &it, &error));
    for (int at = 0; at < THREADS; at++) {
        CHECK(pthread_create(&threads[at], NULL, add_ones, store) == 0);
    }
    for (int at = 0; at < THREADS; at++) {
        CHECK(pthread_join(threads[at], NULL) == 0);
    }
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_get_into(store, TEXT("n"), &sum, sizeof sum, &len, &error));
    CHECK_NUMBER((uint64_t)THREADS * MERGES, sum);
    check_close(store);
}

/* Two threads that write to one sink at once. */
static void *write_to(void *sink)
{
    for (int at = 0; at < MERGES; at++) {
        CHECK_ONE_OF(sledstore_sink_write(sink, "b", 1, &error), SLEDSTORE_OK, SLEDSTORE_BUSY);
    }
    return NULL;
}

static int32_t share_the_sink(void *ctx, const sledstore_bytes *key, const sledstore_bytes *old,
                              const sledstore_bytes *operand, sledstore_sink *sink)
{
    pthread_t thread;
    (void)ctx, (void)key, (void)old, (void)operand;
    CHECK(pthread_create(&thread, NULL, write_to, sink) == 0);
    write_to(sink);
    CHECK(pthread_join(thread, NULL) == 0);
    return SLEDSTORE_MERGE_KEEP;
}

TEST(sink_that_two_threads_write_to_is_busy_and_not_harmed)
{
    sledstore *store = check_open("store");
    sledstore_merge_operator it = SLEDSTORE_MERGE_OPERATOR_INIT;
    it.merge = share_the_sink;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_set_merge_operator(store, &it, &error));
    merge(store, "key", "a");
    CHECK_COUNT(store, 1);
    check_close(store);
}
