/* Transactions: reads and writes that happen as if at one moment. */
#include "check.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>

static sledstore_txn *begin(const sledstore *store)
{
    sledstore_txn *txn = NULL;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_begin(store, &txn, &error));
    CHECK(txn != NULL);
    return txn;
}

static void put(sledstore_txn *txn, const char *key, const char *value)
{
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_put(txn, NULL, TEXT(key), TEXT(value), &error));
}

/* What the transaction says of a key, in each of the ways to ask; NULL: it is not there. */
static void expect(sledstore_txn *txn, const sledstore *keyspace, const char *key,
                   const char *expected)
{
    int32_t status = expected == NULL ? SLEDSTORE_KEY_NOT_FOUND : SLEDSTORE_OK;
    sledstore_value *value, *many;
    sledstore_bytes wanted = check_text(key);
    char buffer[64];
    size_t needed;
    CHECK_STATUS(status, sledstore_txn_contains(txn, keyspace, TEXT(key), &error));
    CHECK_STATUS(status, sledstore_txn_get(txn, keyspace, TEXT(key), &value, &error));
    CHECK_STATUS(status, sledstore_txn_get_into(txn, keyspace, TEXT(key), buffer, sizeof buffer,
                                                &needed, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_get_many(txn, keyspace, &wanted, 1, &many, &error));
    if (expected == NULL) {
        CHECK(value == NULL && many == NULL && needed == 0);
        return;
    }
    CHECK_BYTES(TEXT(expected), sledstore_value_data(value), sledstore_value_len(value));
    CHECK_BYTES(TEXT(expected), sledstore_value_data(many), sledstore_value_len(many));
    CHECK_BYTES(TEXT(expected), buffer, needed);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_value_free(value));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_value_free(many));
}

TEST(committed_transaction_wrote_everything_over_keyspaces)
{
    sledstore *store = check_open("store"), *words = check_open_tree(store, "words");
    check_put(store, "old", "value");
    sledstore_txn *txn = begin(store);
    put(txn, "a", "1");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_put(txn, words, TEXT("b"), TEXT("2"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_delete(txn, NULL, TEXT("old"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_put_with_ttl(txn, words, TEXT("session"),
                                                          TEXT("token"), 3600000, &error));
    expect(txn, NULL, "a", "1"); /* it reads what it wrote, */
    expect(txn, words, "b", "2");
    expect(txn, words, "session", "token");
    expect(txn, NULL, "old", NULL);
    CHECK_ABSENT(store, "a"); /* and nobody else does */
    CHECK_VALUE(store, "old", "value");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_commit(txn, 0, &error));

    uint64_t ttl_ms = 0;
    CHECK_VALUE(store, "a", "1");
    CHECK_VALUE(words, "b", "2");
    CHECK_ABSENT(store, "old");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_ttl(words, TEXT("session"), &ttl_ms, &error));
    CHECK(ttl_ms > 3000000 && ttl_ms <= 3600000);
    check_close(store);
}

TEST(rolled_back_transaction_wrote_nothing)
{
    sledstore *store = check_open("store");
    sledstore_txn *txn = begin(store);
    put(txn, "a", "1");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_rollback(txn, &error));
    CHECK_COUNT(store, 0);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_rollback(NULL, &error));
    check_close(store);
}

TEST(transaction_reads_one_moment)
{
    sledstore *store = check_open("store");
    check_put(store, "a", "1");
    sledstore_txn *txn = begin(store);
    check_put(store, "a", "2");
    check_put(store, "b", "2");
    expect(txn, NULL, "a", "1");
    expect(txn, NULL, "b", NULL);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_commit(txn, 0, &error)); /* it only read */
    check_close(store);
}

TEST(changed_key_that_was_read_is_a_conflict)
{
    sledstore *store = check_open("store");
    check_put(store, "balance", "10");
    sledstore_txn *one = begin(store), *two = begin(store), *blind = begin(store);
    expect(one, NULL, "balance", "10");
    expect(two, NULL, "balance", "10");
    put(one, "balance", "11");
    put(two, "balance", "12");
    put(blind, "balance", "13");
    put(blind, "other", "13");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_commit(one, 0, &error));
    CHECK_STATUS(SLEDSTORE_TXN_CONFLICT, sledstore_txn_commit(two, 0, &error));
    CHECK_VALUE(store, "balance", "11");
    CHECK_STATUS(SLEDSTORE_TXN_OVER, sledstore_txn_commit(two, 0, &error)); /* gone all the same */
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_commit(blind, 0, &error));     /* it only wrote */
    CHECK_VALUE(store, "balance", "13");
    check_close(store);
}

TEST(write_skew_is_a_conflict)
{
    sledstore *store = check_open("store");
    check_put(store, "alice", "on call");
    check_put(store, "bob", "on call");
    sledstore_txn *alice = begin(store), *bob = begin(store);
    expect(alice, NULL, "bob", "on call");
    put(alice, "alice", "off");
    expect(bob, NULL, "alice", "on call");
    put(bob, "bob", "off");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_commit(alice, 0, &error));
    CHECK_STATUS(SLEDSTORE_TXN_CONFLICT, sledstore_txn_commit(bob, 0, &error));
    CHECK_VALUE(store, "bob", "on call");
    check_close(store);
}

TEST(key_that_came_into_a_scanned_range_is_a_conflict)
{
    sledstore *store = check_open("store");
    sledstore_iter_options options = SLEDSTORE_ITER_OPTIONS_INIT;
    sledstore_iter *iter;
    sledstore_pair row;
    check_put(store, "user:1", "ann");
    options.prefix = check_text("user:");
    for (int within = 0; within < 2; within++) {
        sledstore_txn *txn = begin(store);
        CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_iter_new(txn, NULL, &options, &iter, &error));
        CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_next(iter, &row, &error));
        CHECK_ROW(row, "user:1", "ann");
        CHECK_STATUS(SLEDSTORE_END, sledstore_iter_next(iter, &row, &error));
        CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_free(iter));
        put(txn, "users", "1");
        check_put(store, within ? "user:2" : "vendor", "eve");
        CHECK_STATUS(within ? SLEDSTORE_TXN_CONFLICT : SLEDSTORE_OK,
                     sledstore_txn_commit(txn, 0, &error));
    }
    check_close(store);
}

TEST(iterator_of_a_transaction_shows_its_writes_and_ends_with_it)
{
    sledstore *store = check_open("store"), *words = check_open_tree(store, "words");
    sledstore_iter *iter, *other;
    sledstore_pair row;
    check_put(store, "a", "1");
    check_put(store, "c", "3");
    sledstore_txn *txn = begin(store);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_iter_new(txn, NULL, NULL, &iter, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_iter_new(txn, words, NULL, &other, &error));
    CHECK_STATUS(SLEDSTORE_END, sledstore_iter_next(other, &row, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_next(iter, &row, &error));
    put(txn, "b", "2");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_delete(txn, NULL, TEXT("c"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_next(iter, &row, &error));
    CHECK_ROW(row, "b", "2");
    CHECK_STATUS(SLEDSTORE_END, sledstore_iter_next(iter, &row, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_prev(iter, &row, &error));
    CHECK_ROW(row, "b", "2");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_commit(txn, 0, &error));
    CHECK_STATUS(SLEDSTORE_TXN_OVER, sledstore_iter_first(iter, &row, &error));
    CHECK_STATUS(SLEDSTORE_BUSY, sledstore_close(store, &error)); /* the iterators are open */
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_free(iter));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_free(other));
    check_close(store);
}

TEST(released_store_lives_until_its_transaction_has_ended)
{
    sledstore *store = check_open("store");
    sledstore_txn *txn = begin(store);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_release(store, &error));
    put(txn, "a", "1");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_commit(txn, 0, &error));
    store = check_open("store");
    CHECK_VALUE(store, "a", "1");
    check_close(store);
}

TEST(transaction_over_a_dropped_keyspace_writes_nothing)
{
    sledstore *store = check_open("store"), *words = check_open_tree(store, "words");
    sledstore_txn *txn = begin(store);
    put(txn, "a", "1");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_put(txn, words, TEXT("a"), TEXT("1"), &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_drop_keyspace(store, TEXT("words"), &error));
    CHECK_STATUS(SLEDSTORE_KEYSPACE_DROPPED, sledstore_txn_commit(txn, 0, &error));
    CHECK_COUNT(store, 0);
    check_close(store);
}

TEST(transaction_refuses_keyspaces_of_other_stores)
{
    sledstore *store = check_open("store"), *other = check_open("other");
    sledstore_txn *txn = begin(store);
    sledstore_value *value;
    sledstore_iter *iter;
    sledstore_bytes key = check_text("a");
    size_t needed;
    const int32_t refused = SLEDSTORE_INVALID_ARGUMENT;
    CHECK_STATUS(refused, sledstore_txn_get(txn, other, TEXT("a"), &value, &error));
    CHECK_STATUS(refused, sledstore_txn_get_into(txn, other, TEXT("a"), NULL, 0, &needed, &error));
    CHECK_STATUS(refused, sledstore_txn_get_many(txn, other, &key, 1, &value, &error));
    CHECK_STATUS(refused, sledstore_txn_contains(txn, other, TEXT("a"), &error));
    CHECK_STATUS(refused, sledstore_txn_put(txn, other, TEXT("a"), TEXT("1"), &error));
    CHECK_STATUS(refused,
                 sledstore_txn_put_with_ttl(txn, other, TEXT("a"), TEXT("1"), 1000, &error));
    CHECK_STATUS(refused, sledstore_txn_delete(txn, other, TEXT("a"), &error));
    CHECK_STATUS(refused, sledstore_txn_iter_new(txn, other, NULL, &iter, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_commit(txn, 0, &error));
    check_close(other);
    check_close(store);
}

TEST(transaction_functions_refuse_bad_arguments)
{
    static const char longest[4097];
    sledstore *store = check_open("store");
    check_put(store, "a", "long");
    sledstore_txn *txn = begin(store);
    sledstore_iter_options options = SLEDSTORE_ITER_OPTIONS_INIT;
    sledstore_iter *iter;
    sledstore_value *value;
    sledstore_bytes bad = {NULL, 1};
    size_t needed;
    char small[2];
    const int32_t invalid = SLEDSTORE_INVALID_ARGUMENT;
    CHECK_STATUS(invalid, sledstore_txn_begin(store, NULL, &error));
    CHECK_STATUS(invalid, sledstore_txn_get(txn, NULL, TEXT("a"), NULL, &error));
    CHECK_STATUS(invalid, sledstore_txn_get(txn, NULL, NULL, 1, &value, &error));
    CHECK_STATUS(invalid, sledstore_txn_get_into(txn, NULL, TEXT("a"), small, 2, NULL, &error));
    CHECK_STATUS(invalid, sledstore_txn_get_into(txn, NULL, TEXT("a"), NULL, 2, &needed, &error));
    CHECK_STATUS(SLEDSTORE_BUFFER_TOO_SMALL,
                 sledstore_txn_get_into(txn, NULL, TEXT("a"), small, 2, &needed, &error));
    CHECK_NUMBER(4, needed);
    CHECK_STATUS(SLEDSTORE_OK,
                 sledstore_txn_get_into(txn, NULL, TEXT("a"), NULL, 0, &needed, &error));
    CHECK_NUMBER(4, needed);
    CHECK_STATUS(invalid, sledstore_txn_get_many(txn, NULL, &bad, 1, &value, &error));
    CHECK_STATUS(invalid, sledstore_txn_get_many(txn, NULL, NULL, 1, &value, &error));
    CHECK_STATUS(invalid, sledstore_txn_contains(txn, NULL, NULL, 1, &error));
    CHECK_STATUS(invalid, sledstore_txn_put(txn, NULL, NULL, 1, TEXT("1"), &error));
    CHECK_STATUS(invalid, sledstore_txn_put(txn, NULL, TEXT("a"), NULL, 1, &error));
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED,
                 sledstore_txn_put(txn, NULL, longest, sizeof longest, TEXT("1"), &error));
    CHECK_STATUS(invalid, sledstore_txn_put_with_ttl(txn, NULL, NULL, 1, TEXT("1"), 9, &error));
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED,
                 sledstore_txn_put_with_ttl(txn, NULL, longest, sizeof longest, TEXT("1"), 9,
                                            &error));
    CHECK_STATUS(invalid, sledstore_txn_delete(txn, NULL, NULL, 1, &error));
    CHECK_STATUS(invalid, sledstore_txn_iter_new(txn, NULL, NULL, NULL, &error));
    options.flags = 8;
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED, sledstore_txn_iter_new(txn, NULL, &options, &iter, &error));
    CHECK_STATUS(SLEDSTORE_WRONG_HANDLE, sledstore_txn_commit((sledstore_txn *)store, 0, &error));
    CHECK_STATUS(SLEDSTORE_WRONG_HANDLE, sledstore_txn_rollback((sledstore_txn *)store, &error));
    CHECK_STATUS(invalid, sledstore_txn_commit(NULL, 0, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_commit(txn, 0, &error));
    CHECK_VALUE(store, "a", "long"); /* nothing of all that was written */
    check_close(store);
}

TEST(ended_transaction_says_that_it_is_over)
{
    sledstore *store = check_open("store");
    sledstore_txn *txn = begin(store), *none = (sledstore_txn *)8;
    sledstore_value *value;
    sledstore_iter *iter;
    sledstore_bytes key = check_text("a");
    size_t needed;
    const int32_t over = SLEDSTORE_TXN_OVER;
    CHECK_NUMBER(1, check_live(SLEDSTORE_KIND_TXN));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_commit(txn, 0, &error));
    CHECK_NUMBER(0, check_live(SLEDSTORE_KIND_TXN));
    CHECK_STATUS(over, sledstore_txn_commit(txn, 0, &error));
    CHECK_STATUS(over, sledstore_txn_rollback(txn, &error));
    CHECK_STATUS(over, sledstore_txn_get(txn, NULL, TEXT("a"), &value, &error));
    CHECK_STATUS(over, sledstore_txn_get_into(txn, NULL, TEXT("a"), NULL, 0, &needed, &error));
    CHECK_STATUS(over, sledstore_txn_get_many(txn, NULL, &key, 1, &value, &error));
    CHECK_STATUS(over, sledstore_txn_contains(txn, NULL, TEXT("a"), &error));
    CHECK_STATUS(over, sledstore_txn_put(txn, NULL, TEXT("a"), TEXT("1"), &error));
    CHECK_STATUS(over, sledstore_txn_put_with_ttl(txn, NULL, TEXT("a"), TEXT("1"), 9, &error));
    CHECK_STATUS(over, sledstore_txn_delete(txn, NULL, TEXT("a"), &error));
    CHECK_STATUS(over, sledstore_txn_iter_new(txn, NULL, NULL, &iter, &error));
    check_close(store);
    CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_txn_begin(store, &none, &error));
    CHECK(none == NULL);
}

/* ---- two threads at one transaction --------------------------------------------------------- */

enum { ROUNDS = 20000 };

static void *put_again_and_again(void *txn)
{
    for (int round = 0; round < ROUNDS; round++) {
        CHECK_ONE_OF(sledstore_txn_put(txn, NULL, TEXT("a"), TEXT("1"), &error), SLEDSTORE_OK,
                     SLEDSTORE_BUSY, SLEDSTORE_TXN_OVER);
    }
    return NULL;
}

TEST(transaction_used_by_two_threads_is_busy_and_not_harmed)
{
    sledstore *store = check_open("store");
    sledstore_txn *txn = begin(store);
    pthread_t thread;
    int32_t status;
    CHECK(pthread_create(&thread, NULL, put_again_and_again, txn) == 0);
    for (int round = 0; round < ROUNDS; round++) {
        CHECK_ONE_OF(sledstore_txn_put(txn, NULL, TEXT("b"), TEXT("1"), &error), SLEDSTORE_OK,
                     SLEDSTORE_BUSY);
    }
    do {
        status = CHECK_ONE_OF(sledstore_txn_commit(txn, 0, &error), SLEDSTORE_OK, SLEDSTORE_BUSY);
    } while (status == SLEDSTORE_BUSY);
    CHECK(pthread_join(thread, NULL) == 0);
    check_close(store);
}

/* ---- in a callback ---------------------------------------------------------------------------- */

struct work {
    sledstore *store;
    int calls, destroyed;
    int conflicts; /* in how many calls another writer comes in between */
    int32_t answer;
};

static int32_t work(void *ctx, sledstore_txn *txn)
{
    struct work *work = ctx;
    char value[2] = "0";
    size_t len;
    int32_t status = sledstore_txn_get_into(txn, NULL, TEXT("n"), value, 1, &len, NULL);
    CHECK(status == SLEDSTORE_OK || status == SLEDSTORE_KEY_NOT_FOUND);
    value[0]++;
    put(txn, "n", value);
    if (work->calls++ < work->conflicts) {
        check_put(work->store, "n", "5");
    }
    CHECK(work->destroyed == 0);
    return work->answer;
}

static void destroy(void *ctx)
{
    ((struct work *)ctx)->destroyed++;
}

static int32_t run(struct work *ctx)
{
    sledstore_txn_callback callback = SLEDSTORE_TXN_CALLBACK_INIT;
    callback.ctx = ctx;
    callback.run = work;
    callback.destroy = destroy;
    int32_t status = sledstore_txn_run(ctx->store, &callback, &error);
    CHECK((error != NULL) == (status < 0));
    sledstore_error_free(error);
    CHECK_NUMBER(1, ctx->destroyed);
    return status;
}

TEST(callback_is_committed_and_run_again_after_a_conflict)
{
    sledstore *store = check_open("store");
    struct work once = {store, 0, 0, 0, SLEDSTORE_OK}, again = {store, 0, 0, 2, SLEDSTORE_OK};
    CHECK(run(&once) == SLEDSTORE_OK);
    CHECK_NUMBER(1, once.calls);
    CHECK_VALUE(store, "n", "1");
    CHECK(run(&again) == SLEDSTORE_OK);
    CHECK_NUMBER(3, again.calls);
    CHECK_VALUE(store, "n", "6");
    check_close(store);
}

TEST(callback_that_always_meets_others_ends_as_a_conflict)
{
    sledstore *store = check_open("store");
    struct work never = {store, 0, 0, 1000, SLEDSTORE_OK}, asks = {store, 0, 0, 0, 0};
    asks.answer = SLEDSTORE_TXN_CONFLICT;
    CHECK(run(&never) == SLEDSTORE_TXN_CONFLICT);
    CHECK_NUMBER(100, never.calls);
    CHECK(run(&asks) == SLEDSTORE_TXN_CONFLICT);
    CHECK_NUMBER(100, asks.calls);
    CHECK_VALUE(store, "n", "5");
    check_close(store);
}

TEST(other_answers_of_a_callback_roll_back_and_are_passed_on)
{
    static const int32_t answers[][2] = {{SLEDSTORE_IO, SLEDSTORE_IO},
                                         {SLEDSTORE_KEY_NOT_FOUND, SLEDSTORE_KEY_NOT_FOUND},
                                         {SLEDSTORE_END, SLEDSTORE_END},
                                         {SLEDSTORE_CLOSED, SLEDSTORE_CLOSED},
                                         {12345, SLEDSTORE_OTHER},
                                         {INT32_MIN, SLEDSTORE_OTHER}};
    sledstore *store = check_open("store");
    for (size_t at = 0; at < sizeof answers / sizeof *answers; at++) {
        struct work one = {store, 0, 0, 0, answers[at][0]};
        CHECK(run(&one) == answers[at][1]);
        CHECK_NUMBER(1, one.calls);
    }
    CHECK_COUNT(store, 0);
    check_close(store);
}

static int32_t misuse(void *ctx, sledstore_txn *txn)
{
    struct work *work = ctx, inner = {work->store, 0, 0, 0, SLEDSTORE_OK};
    sledstore_snapshot *snapshot;
    CHECK_STATUS(SLEDSTORE_REENTRANT, sledstore_txn_commit(txn, 0, &error));
    CHECK_STATUS(SLEDSTORE_REENTRANT, sledstore_txn_rollback(txn, &error));
    CHECK_STATUS(SLEDSTORE_REENTRANT, sledstore_close(work->store, &error));
    CHECK_STATUS(SLEDSTORE_REENTRANT, sledstore_release(work->store, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_snapshot_new(work->store, &snapshot, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_snapshot_free(snapshot));
    CHECK(run(&inner) == SLEDSTORE_OK); /* one inside of another is a transaction of its own */
    sledstore_txn *other;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_begin(work->store, &other, &error));
    put(other, "other", "1");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_commit(other, 0, &error)); /* an own one is fine */
    put(txn, "mine", "1");
    work->calls++;
    return SLEDSTORE_OK;
}

TEST(callback_cannot_end_its_transaction_or_its_store)
{
    sledstore *store = check_open("store");
    struct work work = {store, 0, 0, 0, SLEDSTORE_OK};
    sledstore_txn_callback callback = SLEDSTORE_TXN_CALLBACK_INIT;
    callback.ctx = &work;
    callback.run = misuse;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_run(store, &callback, &error));
    CHECK_NUMBER(1, work.calls);
    CHECK_VALUE(store, "mine", "1");
    CHECK_VALUE(store, "other", "1");
    check_close(store);
}

struct nest {
    sledstore *store;
    int depth, deepest;
    int32_t refused;
};

/* Runs itself in its own callback until that is refused; at each depth everything else works. */
static int32_t nest(void *ctx, sledstore_txn *txn)
{
    struct nest *nested = ctx;
    sledstore_txn_callback callback = SLEDSTORE_TXN_CALLBACK_INIT;
    sledstore_iter *iter = NULL;
    sledstore_pair row;
    char key[32];
    nested->deepest = ++nested->depth;
    snprintf(key, sizeof key, "depth %d", nested->depth);
    put(txn, key, "1");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_iter_new(txn, nested->store, NULL, &iter, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_last(iter, &row, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_iter_free(iter));
    CHECK_VALUE(nested->store, "k", "v");
    callback.ctx = nested;
    callback.run = nest;
    int32_t status = sledstore_txn_run(nested->store, &callback, &error);
    if (nested->depth == nested->deepest) {
        nested->refused = status;
        sledstore_error_free(error);
        error = NULL;
    } else {
        CHECK_NUMBER(SLEDSTORE_OK, status);
    }
    nested->depth--;
    return SLEDSTORE_OK;
}

TEST(callbacks_in_each_other_are_refused_before_there_are_too_many)
{
    sledstore *store = check_open("store");
    struct nest nested = {store, 0, 0, SLEDSTORE_OK};
    sledstore_txn_callback callback = SLEDSTORE_TXN_CALLBACK_INIT;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_put(store, "k", 1, "v", 1, &error));
    callback.ctx = &nested;
    callback.run = nest;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_run(store, &callback, &error));
    CHECK_NUMBER(SLEDSTORE_REENTRANT, nested.refused);
    CHECK_NUMBER(12, nested.deepest);
    CHECK_VALUE(store, "depth 12", "1");
    check_close(store);
}

TEST(callback_struct_is_checked_and_destroyed_once)
{
    struct {
        sledstore_txn_callback known;
        void (*unknown)(void);
    } newer = {SLEDSTORE_TXN_CALLBACK_INIT, NULL};
    sledstore *store = check_open("store");
    struct work work = {store, 0, 0, 0, SLEDSTORE_OK};
    sledstore_txn_callback callback = SLEDSTORE_TXN_CALLBACK_INIT;
    callback.ctx = &work;
    callback.destroy = destroy;
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_txn_run(store, NULL, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_txn_run(store, &callback, &error));
    CHECK_NUMBER(1, work.destroyed); /* there was no function to run */
    callback.run = misuse;
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_txn_run(NULL, &callback, &error));
    CHECK_NUMBER(2, work.destroyed);
    CHECK_STATUS(SLEDSTORE_WRONG_HANDLE,
                 sledstore_txn_run((const sledstore *)&work, &callback, &error));
    CHECK_NUMBER(3, work.destroyed);
    callback.struct_size = 8;
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_txn_run(store, &callback, &error));
    newer.known.struct_size = sizeof newer;
    newer.unknown = check_pause;
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED, sledstore_txn_run(store, &newer.known, &error));
    CHECK_NUMBER(0, work.calls);
    check_close(store);
    callback.struct_size = sizeof callback;
    CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_txn_run(store, &callback, &error));
    CHECK_NUMBER(4, work.destroyed);
}

/* ---- what counts as a write -------------------------------------------------------------- */

TEST(write_that_is_over_at_once_is_a_write_for_conflicts)
{
    sledstore *store = check_open("store");
    size_t len;
    for (int is_there = 0; is_there < 2; is_there++) {
        sledstore_txn *txn;
        CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_begin(store, &txn, &error));
        CHECK_STATUS(is_there ? SLEDSTORE_OK : SLEDSTORE_KEY_NOT_FOUND,
                     sledstore_txn_get_into(txn, NULL, TEXT("key"), NULL, 0, &len, &error));
        CHECK_NUMBER(is_there ? 5 : 0, len);
        CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_put(txn, NULL, TEXT("a"), TEXT("b"), &error));
        CHECK_STATUS(SLEDSTORE_OK,
                     sledstore_put_with_ttl(store, TEXT("key"), TEXT("new"), 0, &error));
        CHECK_STATUS(SLEDSTORE_TXN_CONFLICT, sledstore_txn_commit(txn, 0, &error));
        check_put(store, "key", "value");
    }
    check_close(store);
}
