/*
 * backup: copies a store while a thread writes to it, with a bar that shows how far it has come.
 *     build/backup [directory]    fills a store below the directory (the present one), and backs it up
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "sledstore.h"

enum { ACCOUNTS = 20000, MONEY = 1000, BAR = 40 };

static void check(const char *task, sledstore_status status, sledstore_error *error)
{
    if (status >= 0) return;
    fprintf(stderr, "backup: cannot %s: %s\n", task, sledstore_error_message(error));
    exit(1);
}

/* ---- a writer: moves money between accounts, so that the sum is always the same ---- */

struct writer {
    sledstore *store;
    unsigned long moves;
};

static volatile int done;

static uint64_t balance_of(const sledstore_txn *txn, uint32_t account)
{
    uint64_t balance = 0;
    size_t len;
    sledstore_error *error;
    check("read an account",
          sledstore_txn_get_into((sledstore_txn *)txn, NULL, &account, sizeof account, &balance,
                                 sizeof balance, &len, &error),
          error);
    return balance;
}

static int32_t move_one(void *ctx, sledstore_txn *txn)
{
    uint32_t *accounts = ctx;
    uint64_t from = balance_of(txn, accounts[0]), to = balance_of(txn, accounts[1]);
    int32_t status;
    if (from == 0 || accounts[0] == accounts[1]) return SLEDSTORE_OK;
    from--, to++;
    status =
        sledstore_txn_put(txn, NULL, &accounts[0], sizeof accounts[0], &from, sizeof from, NULL);
    if (status < 0) return status;
    return sledstore_txn_put(txn, NULL, &accounts[1], sizeof accounts[1], &to, sizeof to, NULL);
}

static void *write_on(void *argument)
{
    struct writer *writer = argument;
    uint32_t chance = 1, accounts[2];
    sledstore_txn_callback callback = SLEDSTORE_TXN_CALLBACK_INIT;
    sledstore_error *error;
    callback.ctx = accounts;
    callback.run = move_one;
    while (!done) {
        for (int at = 0; at < 2; at++) {
            chance = chance * 1664525 + 1013904223;
            accounts[at] = (chance >> 8) % ACCOUNTS;
        }
        check("move money", sledstore_txn_run(writer->store, &callback, &error), error);
        writer->moves++;
    }
    return NULL;
}

/* ---- the bar ---- */

static int32_t show(void *ctx, const sledstore_progress *progress)
{
    int is_terminal = *(int *)ctx, filled;
    if (!is_terminal || progress->rows_total == 0) return 0;
    filled = (int)(progress->rows_done * BAR / progress->rows_total);
    printf("\r[%.*s%*s] %llu of %llu rows ", filled, "########################################",
           BAR - filled, "", (unsigned long long)progress->rows_done,
           (unsigned long long)progress->rows_total);
    fflush(stdout);
    return 0; /* anything else ends the backup, and nothing of it is left */
}

static uint64_t sum_of(const sledstore *store)
{
    uint64_t sum = 0, balance;
    sledstore_iter *rows;
    sledstore_pair row;
    sledstore_error *error;
    sledstore_status status;
    check("read all accounts", sledstore_iter_new(store, NULL, &rows, &error), error);
    while ((status = sledstore_iter_next(rows, &row, &error)) == SLEDSTORE_OK) {
        memcpy(&balance, row.value.data, sizeof balance);
        sum += balance;
    }
    check("read all accounts", status, error);
    check("free an iterator", sledstore_iter_free(rows), NULL);
    return sum;
}

static sledstore *open_filled(const char *path)
{
    sledstore *store;
    sledstore_error *error;
    uint64_t money = MONEY;
    check("open", sledstore_open(path, NULL, &store, &error), error);
    for (uint32_t account = 0; account < ACCOUNTS; account++)
        check("write", sledstore_put(store, &account, sizeof account, &money, sizeof money, &error),
              error);
    return store;
}

int main(int argc, char **argv)
{
    const char *below = argc > 1 ? argv[1] : ".";
    char path[3000], copy_path[3000];
    struct writer writer = {NULL, 0};
    pthread_t thread;
    sledstore *copy;
    sledstore_error *error;
    sledstore_progress_callback callback = SLEDSTORE_PROGRESS_CALLBACK_INIT;
    int is_terminal = isatty(STDOUT_FILENO);
    uint64_t sum;
    snprintf(path, sizeof path, "%s/store", below);
    snprintf(copy_path, sizeof copy_path, "%s/copy", below);

    writer.store = open_filled(path);
    if (pthread_create(&thread, NULL, write_on, &writer) != 0) return 1;
    callback.ctx = &is_terminal;
    callback.progress = show;
    check("back up", sledstore_backup(writer.store, copy_path, &callback, &error), error);
    if (is_terminal) puts("");
    done = 1;
    pthread_join(thread, NULL);
    check("close", sledstore_close(writer.store, &error), error);

    /* The copy is a store like any other, and shows one moment: no money is on its way. */
    check("open the copy", sledstore_open(copy_path, NULL, &copy, &error), error);
    sum = sum_of(copy);
    check("close the copy", sledstore_close(copy, &error), error);
    printf("%d accounts were copied during %lu moves; they have %llu together\n", ACCOUNTS,
           writer.moves, (unsigned long long)sum);
    if (sum != (uint64_t)ACCOUNTS * MONEY || writer.moves == 0) {
        fprintf(stderr, "backup: it should have been %d, with moves meanwhile\n", ACCOUNTS * MONEY);
        return 1;
    }
    return 0;
}
