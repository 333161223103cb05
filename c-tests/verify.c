/* Damage in the log: verifying an open store, and what a salvage reports. */
#define _XOPEN_SOURCE 700 /* fork, getpid */

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What a callback has heard. */
struct heard {
    int findings;
    int destroyed;
    int32_t answer; /* what it answers */
    char file[4200];
    char what[200];
    uint64_t offset;
};

static int32_t hear(void *ctx, const char *file, uint64_t offset, const char *what)
{
    struct heard *heard = ctx;
    if (heard->findings++ == 0) { /* the first one */
        snprintf(heard->file, sizeof heard->file, "%s", file);
        snprintf(heard->what, sizeof heard->what, "%s", what);
        heard->offset = offset;
    }
    return heard->answer;
}

static void destroy(void *ctx)
{
    ((struct heard *)ctx)->destroyed++;
}

static sledstore_finding_callback callback_of(struct heard *heard)
{
    sledstore_finding_callback callback = SLEDSTORE_FINDING_CALLBACK_INIT;
    callback.ctx = heard;
    callback.finding = hear;
    callback.destroy = destroy;
    return callback;
}

/* The one log file of a store that was just made. */
static const char *log_of(const char *name)
{
    static char path[200];
    snprintf(path, sizeof path, "%s/sledstore.log.1", name);
    return check_path(path);
}

/* Flips the first byte of the first place at which the file has this text. */
static void flip(const char *path, const char *text)
{
    char bytes[4096];
    FILE *file = fopen(path, "r+b");
    CHECK(file != NULL);
    size_t length = fread(bytes, 1, sizeof bytes, file);
    size_t at = 0;
    while (at + strlen(text) <= length && memcmp(bytes + at, text, strlen(text)) != 0) at++;
    CHECK(at + strlen(text) <= length);
    CHECK(fseek(file, (long)at, SEEK_SET) == 0);
    CHECK(fputc(bytes[at] ^ 1, file) != EOF && fclose(file) == 0);
}

static sledstore *with_three_rows(void)
{
    sledstore *store = check_open("store");
    check_put(store, "one", "first");
    check_put(store, "two", "second");
    check_put(store, "three", "third");
    return store;
}

TEST(whole_store_has_no_findings)
{
    sledstore *store = with_three_rows();
    struct heard heard = {0};
    sledstore_finding_callback callback = callback_of(&heard);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_verify(store, &callback, &error));
    CHECK_NUMBER(1, heard.destroyed);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_compact(store, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_verify(store, &callback, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_verify(store, NULL, NULL));
    uint64_t lost = 7;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_salvage_report(store, &callback, &lost, &error));
    CHECK_NUMBER(0, lost);
    CHECK_NUMBER(0, heard.findings);
    CHECK_NUMBER(3, heard.destroyed);
    check_close(store);
}

TEST(damaged_record_of_an_open_store_is_found_with_its_file_and_byte)
{
    sledstore *store = with_three_rows();
    struct heard heard = {0};
    sledstore_finding_callback callback = callback_of(&heard);
    flip(log_of("store"), "second");
    CHECK_STATUS(SLEDSTORE_CORRUPTION, sledstore_verify(store, &callback, &error));
    CHECK_CONTAINS(check_message(), "1 place is damaged, first ");
    CHECK_CONTAINS(check_message(), heard.file);
    CHECK_NUMBER(1, heard.findings);
    CHECK_NUMBER(1, heard.destroyed);
    CHECK_CONTAINS(heard.file, "/store/sledstore.log.1");
    CHECK(heard.offset > 48 && heard.offset < 4096);
    CHECK(strlen(heard.what) > 0);
    CHECK_STATUS(SLEDSTORE_CORRUPTION, sledstore_verify(store, NULL, NULL));
    flip(log_of("store"), "third");
    heard.findings = 0;
    CHECK_STATUS(SLEDSTORE_CORRUPTION, sledstore_verify(store, &callback, &error));
    CHECK_CONTAINS(check_message(), "2 places are damaged");
    CHECK_NUMBER(2, heard.findings);

    /* A callback that has heard enough. */
    heard.findings = 0;
    heard.answer = SLEDSTORE_END;
    CHECK_STATUS(SLEDSTORE_END, sledstore_verify(store, &callback, &error));
    CHECK_NUMBER(1, heard.findings);
    heard.answer = -12345;
    CHECK_STATUS(SLEDSTORE_OTHER, sledstore_verify(store, &callback, &error));
    CHECK_NUMBER(4, heard.destroyed);

    /* What is in memory is whole, and is settled. */
    CHECK_VALUE(store, "two", "second");
    CHECK_STATUS(SLEDSTORE_OK, sledstore_compact(store, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_verify(store, NULL, &error));
    check_close(store);
}

static sledstore *in_callback;

static int32_t use_the_store(void *ctx, const char *file, uint64_t offset, const char *what)
{
    (void)file, (void)offset, (void)what;
    check_put(in_callback, "from the callback", "value");
    CHECK_STATUS(SLEDSTORE_CORRUPTION, sledstore_verify(in_callback, NULL, NULL));
    check_close(in_callback); /* nothing of it is in use */
    return ctx == NULL ? SLEDSTORE_OK : SLEDSTORE_OTHER;
}

TEST(callback_may_use_the_store_and_even_close_it)
{
    in_callback = with_three_rows();
    sledstore_finding_callback callback = SLEDSTORE_FINDING_CALLBACK_INIT;
    callback.finding = use_the_store;
    flip(log_of("store"), "second");
    CHECK_STATUS(SLEDSTORE_CORRUPTION, sledstore_verify(in_callback, &callback, &error));
    CHECK_STATUS(SLEDSTORE_CLOSED, sledstore_verify(in_callback, &callback, &error));
    sledstore *store = check_open("store");
    CHECK_VALUE(store, "from the callback", "value");
    check_close(store);
}

static int32_t fork_and_return(void *ctx, const char *file, uint64_t offset, const char *what)
{
    (void)file, (void)offset, (void)what;
    *(pid_t *)ctx = fork();
    return SLEDSTORE_OK;
}

TEST(callback_that_forks_ends_the_call_in_the_child)
{
    sledstore *store = with_three_rows();
    pid_t child = -1;
    sledstore_finding_callback callback = SLEDSTORE_FINDING_CALLBACK_INIT;
    callback.ctx = &child;
    callback.finding = fork_and_return;
    flip(log_of("store"), "second");
    sledstore_error *why = NULL;
    int32_t status = sledstore_verify(store, &callback, &why);
    if (child == 0) {
        bool is_told = sledstore_error_status(why) == SLEDSTORE_FORKED;
        _exit(status == SLEDSTORE_FORKED && is_told ? 10 : 11);
    }
    CHECK(child > 0 && status == SLEDSTORE_CORRUPTION);
    sledstore_error_free(why);
    CHECK_NUMBER(10, check_wait_for((int)child));
    check_close(store);
}

TEST(wrong_callbacks_are_refused)
{
    sledstore *store = with_three_rows();
    uint64_t lost = 7;
    struct {
        sledstore_finding_callback known;
        void *later;
    } newer = {SLEDSTORE_FINDING_CALLBACK_INIT, &lost};
    newer.known.struct_size = 8;
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_verify(store, &newer.known, &error));
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_salvage_report(store, &newer.known, &lost, &error));
    CHECK_NUMBER(0, lost);
    newer.known.struct_size = sizeof newer;
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED, sledstore_verify(store, &newer.known, &error));
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED,
                 sledstore_salvage_report(store, &newer.known, &lost, &error));
    newer.later = NULL;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_verify(store, &newer.known, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_salvage_report(store, &newer.known, NULL, &error));
    check_close(store);
}

TEST(salvage_brings_over_what_is_whole_and_reports_what_is_lost)
{
    sledstore_open_options options = SLEDSTORE_OPEN_OPTIONS_INIT;
    sledstore *store = with_three_rows(), *refused;
    CHECK(chdir(check_path("")) == 0);
    CHECK(system("cp -R store hurt") == 0); /* as a kill leaves it */
    check_close(store);
    flip(log_of("hurt"), "second");
    CHECK_STATUS(SLEDSTORE_CORRUPTION, sledstore_open(check_path("hurt"), NULL, &refused, &error));

    options.flags = SLEDSTORE_OPEN_SALVAGE;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_open(check_path("hurt"), &options, &store, &error));
    CHECK_VALUE(store, "one", "first");
    CHECK_VALUE(store, "three", "third");
    CHECK_COUNT(store, 2);
    struct heard heard = {0};
    sledstore_finding_callback callback = callback_of(&heard);
    uint64_t lost = 0;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_salvage_report(store, &callback, &lost, &error));
    CHECK_NUMBER(1, lost);
    CHECK_NUMBER(1, heard.findings);
    CHECK_CONTAINS(heard.file, "/hurt/sledstore.log.1");
    heard.answer = SLEDSTORE_END;
    CHECK_STATUS(SLEDSTORE_END, sledstore_salvage_report(store, &callback, &lost, &error));
    CHECK_NUMBER(0, lost);
    heard.answer = 12345;
    CHECK_STATUS(SLEDSTORE_OTHER, sledstore_salvage_report(store, &callback, &lost, &error));
    CHECK_NUMBER(3, heard.destroyed);
    CHECK(access(check_path("hurt/sledstore.damaged.log.1"), F_OK) == 0);
    check_close(store);
    store = check_open("hurt"); /* it is whole from now on */
    CHECK_COUNT(store, 2);
    check_close(store);
}
