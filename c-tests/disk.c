/* Disks that take no more: each in a small file system of the test's own. */
#define _XOPEN_SOURCE 700 /* readlink */

#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs a part of this program as a process that has `path` as a file system in memory. */
static void run_in_small_file_system(const char *part)
{
    char program[1024], command[4096];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    CHECK(length > 0);
    program[length] = '\0';
    if (system("unshare -rm true 2>/dev/null") != 0) {
        check_skip("this user may not make a file system of its own");
    }
    CHECK(mkdir(check_path("disk"), 0700) == 0);
    snprintf(command, sizeof command,
             "unshare -rm sh -c 'mount -t tmpfs -o size=40m none \"$1\" && exec \"$0\" --as %s "
             "\"$1\"'"
             " '%s' '%s'",
             part, program, check_path("disk"));
    int status = system(command);
    CHECK(WIFEXITED(status));
    CHECK_NUMBER(10, WEXITSTATUS(status));
}

/* Every way to write is refused, and what was written before is as it was. */
static int is_full(const sledstore *store, sledstore_batch *batch)
{
    const sledstore_bytes text = {"text", 4};
    const sledstore_pair pair = {{"pair", 4}, {"value", 5}};
    const int32_t answers[] = {
        sledstore_put(store, "more", 4, "value", 5, NULL),
        sledstore_put_with_ttl(store, "more", 4, "value", 5, 60000, NULL),
        sledstore_delete(store, "early", 5, NULL),
        sledstore_compare_and_swap(store, "more", 4, NULL, &text, NULL),
        sledstore_expire(store, "early", 5, 60000, NULL),
        sledstore_batch_apply(store, batch, 0, NULL),
        sledstore_put_many(store, &pair, 1, NULL),
        sledstore_delete_many(store, &text, 1, NULL),
        sledstore_drop_keyspace(store, "words", 5, NULL),
        sledstore_compact(store, NULL),
    };
    for (size_t at = 0; at < sizeof answers / sizeof *answers; at++) {
        if (answers[at] != SLEDSTORE_DISK_FULL) {
            fprintf(stderr, "answer %d is %s\n", (int)at, sledstore_status_name(answers[at]));
            return 0;
        }
    }
    /* Nothing of it was made, and all before is on the disk. */
    return sledstore_flush(store, NULL) == SLEDSTORE_OK
           && sledstore_contains(store, "more", 4, NULL) == SLEDSTORE_KEY_NOT_FOUND
           && sledstore_contains(store, "early", 5, NULL) == SLEDSTORE_OK;
}

OTHER_PROCESS(fill_it)
{
    static char large[30000];
    char directory[1024];
    sledstore *store, *words;
    sledstore_batch *batch;
    sledstore_error *why;
    int32_t status = SLEDSTORE_OK;
    snprintf(directory, sizeof directory, "%s/store", path);
    if (sledstore_open(directory, NULL, &store, NULL) != SLEDSTORE_OK
        || sledstore_open_keyspace(store, "words", 5, 0, &words, NULL) != SLEDSTORE_OK
        || sledstore_batch_new(&batch, NULL) != SLEDSTORE_OK
        || sledstore_batch_put(batch, NULL, "more", 4, "value", 5, NULL) != SLEDSTORE_OK
        || sledstore_put(store, "early", 5, "value", 5, NULL) != SLEDSTORE_OK
        || sledstore_flush(store, NULL) != SLEDSTORE_OK) {
        return 11;
    }
    for (unsigned key = 0; status == SLEDSTORE_OK; key++) {
        memcpy(large, &key, sizeof key);
        status = sledstore_put(store, &key, sizeof key, large, sizeof large, &why);
        if (status == SLEDSTORE_OK) {
            status = sledstore_flush(store, &why);
        }
    }
    if (status != SLEDSTORE_DISK_FULL || sledstore_error_os_code(why) != ENOSPC) {
        fprintf(stderr, "%s: %s\n", sledstore_status_name(status), sledstore_error_message(why));
        return 12;
    }
    /* What is smaller may still have room. */
    for (status = SLEDSTORE_OK; status == SLEDSTORE_OK;) {
        status = sledstore_put(store, "small", 5, large, 3000, NULL);
    }
    for (status = SLEDSTORE_OK; status == SLEDSTORE_OK;) {
        status = sledstore_put(store, "s", 1, "", 0, NULL);
    }
    if (status != SLEDSTORE_DISK_FULL || !is_full(store, batch)) {
        return 13;
    }
    /* It closes all the same. */
    status = sledstore_close(store, NULL);
    if (status != SLEDSTORE_DISK_FULL
        || sledstore_put(store, "more", 4, "value", 5, NULL) != SLEDSTORE_CLOSED) {
        return 14;
    }
    return 10;
}

TEST(full_disk_has_a_status_of_its_own_in_every_function_that_writes)
{
    run_in_small_file_system("disk::fill_it");
}

OTHER_PROCESS(protect_it)
{
    char directory[1024], command[2048];
    sledstore *store;
    sledstore_error *why;
    snprintf(directory, sizeof directory, "%s/store", path);
    snprintf(command, sizeof command, "mount -o remount,ro '%s'", path);
    if (sledstore_open(directory, NULL, &store, NULL) != SLEDSTORE_OK
        || sledstore_close(store, NULL) != SLEDSTORE_OK || system(command) != 0) {
        return 11;
    }
    if (sledstore_open(directory, NULL, &store, &why) != SLEDSTORE_READ_ONLY_FILESYSTEM) {
        return 12;
    }
    return sledstore_error_os_code(why) == EROFS ? 10 : 13;
}

TEST(read_only_file_system_has_a_status_of_its_own)
{
    run_in_small_file_system("disk::protect_it");
}
