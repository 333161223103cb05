/*
 * bank: transactions. Accounts live in one keyspace, a journal of transfers in another; each transfer
 * changes two accounts and adds a line to the journal, all or nothing.
 *     build/bank         eight threads transfer money, while the main thread audits the bank
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sledstore.h"

enum { ACCOUNTS = 20, OPENING = 1000, TELLERS = 8, TRANSFERS = 250 };

static sledstore *accounts, *journal; /* two keyspaces of one store */

/* What one transfer wants, and what became of it. The callback may run more than once. */
struct transfer {
    uint32_t from, to;
    int64_t amount;
    uint64_t number; /* the key in the journal */
    int refused;
};

static void fail(const char *task, sledstore_status status)
{
    fprintf(stderr, "bank: cannot %s: %s\n", task, sledstore_status_name(status));
    exit(1);
}

static void check(const char *task, sledstore_status status)
{
    if (status < 0) fail(task, status);
}

static sledstore_status balance(sledstore_txn *txn, uint32_t account, int64_t *money)
{
    size_t len;
    return sledstore_txn_get_into(txn, accounts, &account, sizeof account, money, sizeof *money,
                                  &len, NULL);
}

static sledstore_status set_balance(sledstore_txn *txn, uint32_t account, int64_t money)
{
    return sledstore_txn_put(txn, accounts, &account, sizeof account, &money, sizeof money, NULL);
}

/* SLEDSTORE_OK commits, anything else rolls back. Another teller who changes one of the two accounts
 * meanwhile makes the commit a conflict, and then this is called again. */
static int32_t transfer(void *ctx, sledstore_txn *txn)
{
    struct transfer *job = ctx;
    int64_t from, to;
    sledstore_status status = balance(txn, job->from, &from);
    if (status != SLEDSTORE_OK) return status;
    if ((status = balance(txn, job->to, &to)) != SLEDSTORE_OK) return status;
    job->refused = from < job->amount;
    if (job->refused) return SLEDSTORE_OK; /* nothing was written, so nothing is changed */
    if ((status = set_balance(txn, job->from, from - job->amount)) < 0) return status;
    if ((status = set_balance(txn, job->to, to + job->amount)) < 0) return status;
    return sledstore_txn_put(txn, journal, &job->number, sizeof job->number, job, sizeof *job,
                             NULL);
}

static void *teller(void *number)
{
    uint32_t chance = 12345 + *(uint32_t *)number;
    for (uint64_t i = 0; i < TRANSFERS; i++) {
        struct transfer job = {0, 0, 0, 0, 0};
        sledstore_txn_callback callback = SLEDSTORE_TXN_CALLBACK_INIT;
        chance = chance * 1664525 + 1013904223;
        job.from = (chance >> 8) % ACCOUNTS;
        job.to = (job.from + 1 + (chance >> 16) % (ACCOUNTS - 1)) % ACCOUNTS;
        job.amount = 1 + (chance >> 24);
        job.number = *(uint32_t *)number * (uint64_t)TRANSFERS + i;
        callback.ctx = &job;
        callback.run = transfer;
        check("transfer", sledstore_txn_run(accounts, &callback, NULL));
    }
    return NULL;
}

/* All accounts at one moment: an iterator shows the keyspace as it was when it was made. */
static int64_t audit(void)
{
    sledstore_iter *rows;
    sledstore_pair row;
    sledstore_status status;
    int64_t sum = 0;
    check("look at the accounts", sledstore_iter_new(accounts, NULL, &rows, NULL));
    while ((status = sledstore_iter_next(rows, &row, NULL)) == SLEDSTORE_OK) {
        int64_t money; /* the row need not be aligned */
        memcpy(&money, row.value.data, sizeof money);
        sum += money;
    }
    check("go on", status);
    check("free an iterator", sledstore_iter_free(rows));
    return sum;
}

int main(void)
{
    pthread_t threads[TELLERS];
    uint32_t numbers[TELLERS];
    uint64_t transfers = 0;
    int audits = 0, wrong = 0;
    check("open the bank", sledstore_open_temporary(NULL, &accounts, NULL));
    check("open the journal", sledstore_open_keyspace(accounts, "journal", 7, 0, &journal, NULL));
    for (uint32_t account = 0; account < ACCOUNTS; account++) {
        int64_t money = OPENING;
        check("open an account",
              sledstore_put(accounts, &account, sizeof account, &money, sizeof money, NULL));
    }
    for (uint32_t i = 0; i < TELLERS; i++) {
        numbers[i] = i;
        if (pthread_create(&threads[i], NULL, teller, &numbers[i]) != 0)
            fail("start a teller", SLEDSTORE_OTHER);
    }
    for (; audits < 200; audits++) wrong += audit() != (int64_t)ACCOUNTS * OPENING;
    for (int i = 0; i < TELLERS; i++) pthread_join(threads[i], NULL);
    check("count transfers", sledstore_count(journal, &transfers, NULL));
    printf("%u tellers made %llu transfers of %u wishes; %d audits meanwhile, %d of them wrong\n",
           TELLERS, (unsigned long long)transfers, TELLERS * TRANSFERS, audits, wrong);
    wrong += audit() != (int64_t)ACCOUNTS * OPENING;
    check("close the bank", sledstore_close(accounts, NULL));
    return wrong != 0;
}
