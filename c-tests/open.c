/* Opening a store: paths, options, locks, temporary stores. */
#define _XOPEN_SOURCE 700 /* mkdir, setenv */

#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Opens and expects a failure, and that no handle comes with it. */
#define CHECK_REFUSED(expected, path, options)                                   \
    do {                                                                         \
        sledstore *refused = (sledstore *)(uintptr_t)0x1234;                     \
        CHECK_STATUS(expected, sledstore_open(path, options, &refused, &error)); \
        CHECK(refused == NULL);                                                  \
    } while (0)

/* ---- paths ------------------------------------------------------------------------------- */

TEST(missing_parents_are_created)
{
    sledstore *store = check_open("some/where/new");
    check_put(store, "key", "value");
    check_close(store);
}

TEST(path_need_not_be_utf8)
{
    sledstore *store = check_open("caf\xe9\xff");
    check_put(store, "key", "value");
    check_close(store);
    store = check_open("caf\xe9\xff");
    CHECK_VALUE(store, "key", "value");
    check_close(store);
}

TEST(null_and_empty_path_are_refused)
{
    CHECK_REFUSED(SLEDSTORE_INVALID_ARGUMENT, NULL, NULL);
    CHECK_REFUSED(SLEDSTORE_INVALID_ARGUMENT, "", NULL);
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT,
                 sledstore_open(check_path("store"), NULL, NULL, &error));
    CHECK(access(check_path("store"), F_OK) != 0); /* nothing was made before it was refused */
}

TEST(file_in_place_of_the_directory_is_refused)
{
    FILE *file = fopen(check_path("file"), "w");
    CHECK(file != NULL && fputs("precious", file) >= 0 && fclose(file) == 0);
    CHECK_REFUSED(SLEDSTORE_IO, check_path("file"), NULL);
    CHECK_NUMBER(ENOTDIR, check_os_code());
    CHECK_CONTAINS(check_message(), "file");
    CHECK_REFUSED(SLEDSTORE_IO, check_path("file/below"), NULL);

    char text[16] = "";
    file = fopen(check_path("file"), "r");
    CHECK(file != NULL && fgets(text, sizeof text, file) != NULL && fclose(file) == 0);
    CHECK(strcmp(text, "precious") == 0);
}

TEST(path_that_is_too_long_is_refused)
{
    char path[5000];
    memset(path, 'a', sizeof path);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    CHECK_REFUSED(SLEDSTORE_IO, path, NULL);
    CHECK_NUMBER(ENAMETOOLONG, check_os_code());
}

TEST(place_where_nothing_can_be_made_is_refused)
{
    CHECK_REFUSED(SLEDSTORE_IO, "/proc/sledstore", NULL);
    CHECK(check_os_code() != 0);
}

/* ---- options ----------------------------------------------------------------------------- */

TEST(every_option_opens)
{
    sledstore_open_options options = SLEDSTORE_OPEN_OPTIONS_INIT;
    options.flags = SLEDSTORE_OPEN_MUST_CREATE;
    options.cache_capacity = 64 * 1024 * 1024;
    options.segment_size = 512 * 1024;
    options.flush_every_ms = 50;
    options.lock_timeout_ms = 10;
    options.mode = SLEDSTORE_MODE_HIGH_THROUGHPUT;
    sledstore *store;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_open(check_path("store"), &options, &store, &error));
    check_put(store, "key", "value");
    check_close(store);

    options.flags = SLEDSTORE_OPEN_MUST_EXIST;
    options.cache_capacity = 1; /* counts as the least that is of use */
    options.flush_every_ms = SLEDSTORE_FLUSH_NEVER;
    options.mode = SLEDSTORE_MODE_LOW_SPACE;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_open(check_path("store"), &options, &store, &error));
    CHECK_VALUE(store, "key", "value");
    check_close(store);
}

TEST(must_exist_refuses_what_is_not_there)
{
    sledstore_open_options options = SLEDSTORE_OPEN_OPTIONS_INIT;
    options.flags = SLEDSTORE_OPEN_MUST_EXIST;
    CHECK_REFUSED(SLEDSTORE_IO, check_path("store"), &options);
    CHECK_NUMBER(ENOENT, check_os_code());
    CHECK(access(check_path("store"), F_OK) != 0);
    check_close(check_open("store"));
    sledstore *store;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_open(check_path("store"), &options, &store, &error));
    check_close(store);
}

TEST(must_create_refuses_what_is_there)
{
    sledstore_open_options options = SLEDSTORE_OPEN_OPTIONS_INIT;
    options.flags = SLEDSTORE_OPEN_MUST_CREATE;
    sledstore *store;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_open(check_path("store"), &options, &store, &error));
    check_put(store, "key", "value");
    check_close(store);
    CHECK_REFUSED(SLEDSTORE_ALREADY_EXISTS, check_path("store"), &options);
    store = check_open("store");
    CHECK_VALUE(store, "key", "value");
    check_close(store);
}

TEST(every_write_of_a_store_that_was_opened_as_synced_is_on_the_disk_when_it_returns)
{
    sledstore_open_options options = SLEDSTORE_OPEN_OPTIONS_INIT;
    options.durability = SLEDSTORE_DURABILITY_SYNCED;
    options.flush_every_ms = SLEDSTORE_FLUSH_NEVER;
    options.memtable_size = 1; /* counts as 65536 */
    sledstore *store;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_open(check_path("store"), &options, &store, &error));
    char key[16];
    for (int row = 0; row < 2000; row++) {
        snprintf(key, sizeof key, "%d", row);
        check_put(store, key, "a value that fills the memtable");
    }
    CHECK_VALUE(store, "1999", "a value that fills the memtable");
    check_close(store);
    store = check_open("store");
    CHECK_VALUE(store, "0", "a value that fills the memtable");
    CHECK_VALUE(store, "1999", "a value that fills the memtable");
    check_close(store);
}

TEST(unknown_and_contradictory_options_are_refused)
{
    const sledstore_open_options defaults = SLEDSTORE_OPEN_OPTIONS_INIT;
    sledstore_open_options options = defaults;
    options.flags = SLEDSTORE_OPEN_MUST_EXIST | SLEDSTORE_OPEN_MUST_CREATE;
    CHECK_REFUSED(SLEDSTORE_INVALID_ARGUMENT, check_path("store"), &options);
    options.flags = UINT64_C(1) << 6;
    CHECK_REFUSED(SLEDSTORE_UNSUPPORTED, check_path("store"), &options);
    options.flags = UINT64_C(1) << 63;
    CHECK_REFUSED(SLEDSTORE_UNSUPPORTED, check_path("store"), &options);
    options.flags = SLEDSTORE_OPEN_MUST_EXIST | SLEDSTORE_OPEN_TEMPORARY;
    CHECK_REFUSED(SLEDSTORE_INVALID_ARGUMENT, check_path("store"), &options);
    options = defaults;
    options.mode = 3;
    CHECK_REFUSED(SLEDSTORE_UNSUPPORTED, check_path("store"), &options);
    options = defaults;
    options.durability = 3;
    CHECK_REFUSED(SLEDSTORE_UNSUPPORTED, check_path("store"), &options);
    options = defaults;
    options.flags = SLEDSTORE_OPEN_COMPRESSION; /* this build has none */
    CHECK_REFUSED(SLEDSTORE_UNSUPPORTED, check_path("store"), &options);
    CHECK(access(check_path("store"), F_OK) != 0);
}

/* ---- a store that went back in time ------------------------------------------------------ */

static void run(const char *command)
{
    CHECK(chdir(check_path("")) == 0);
    CHECK(system(command) == 0);
}

TEST(store_that_has_lost_its_last_writes_is_refused_unless_salvaged)
{
    sledstore_open_options options = SLEDSTORE_OPEN_OPTIONS_INIT;
    sledstore *store = check_open("store");
    check_put(store, "early", "value");
    check_close(store);
    run("cp -R store old");
    store = check_open("store");
    check_put(store, "late", "value");
    check_close(store);
    run("cp store/sledstore.mark old"); /* as if the end of the log had not reached the disk */

    CHECK_REFUSED(SLEDSTORE_CORRUPTION, check_path("old"), NULL);
    options.flags = SLEDSTORE_OPEN_SALVAGE;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_open(check_path("old"), &options, &store, &error));
    CHECK_VALUE(store, "early", "value");
    CHECK_STATUS(SLEDSTORE_KEY_NOT_FOUND, sledstore_contains(store, TEXT("late"), &error));
    check_close(store);
    store = check_open("old"); /* what was there is now taken for all there is */
    CHECK_COUNT(store, 1);
    check_close(store);
}

TEST(segment_sizes_that_the_engine_cannot_use_are_refused)
{
    static const uint64_t sizes[] = {1, 255, 100000, UINT64_C(1) << 40, UINT64_MAX};
    sledstore_open_options options = SLEDSTORE_OPEN_OPTIONS_INIT;
    for (size_t at = 0; at < sizeof sizes / sizeof sizes[0]; at++) {
        options.segment_size = sizes[at];
        CHECK_REFUSED(SLEDSTORE_UNSUPPORTED, check_path("store"), &options);
    }
}

TEST(options_of_another_version_follow_the_size_rules)
{
    struct {
        sledstore_open_options known;
        uint64_t later[2];
    } newer = {SLEDSTORE_OPEN_OPTIONS_INIT, {0, 0}};
    sledstore *store;
    newer.known.struct_size = sizeof newer; /* a longer struct is fine as long as it says nothing */
    CHECK_STATUS(SLEDSTORE_OK, sledstore_open(check_path("store"), &newer.known, &store, &error));
    check_close(store);
    newer.later[1] = UINT64_C(1) << 63; /* a wish that this library does not know */
    CHECK_REFUSED(SLEDSTORE_UNSUPPORTED, check_path("store"), &newer.known);
    newer.known.struct_size = sizeof newer - 8; /* the wish is beyond the end */
    CHECK_STATUS(SLEDSTORE_OK, sledstore_open(check_path("store"), &newer.known, &store, &error));
    check_close(store);

    static const size_t refused[] = {0, 1, sizeof(size_t), sizeof(sledstore_open_options) - 1};
    for (size_t at = 0; at < sizeof refused / sizeof refused[0]; at++) {
        newer.known.struct_size = refused[at];
        CHECK_REFUSED(SLEDSTORE_INVALID_ARGUMENT, check_path("store"), &newer.known);
    }
}

/* ---- locks ------------------------------------------------------------------------------- */

TEST(store_that_this_process_has_open_is_locked)
{
    sledstore *store = check_open("store");
    sledstore_open_options options = SLEDSTORE_OPEN_OPTIONS_INIT;
    CHECK_REFUSED(SLEDSTORE_LOCKED, check_path("store"), NULL);
    CHECK_REFUSED(SLEDSTORE_LOCKED, check_path("./store"), NULL);
    options.lock_timeout_ms = 20;
    CHECK_REFUSED(SLEDSTORE_LOCKED, check_path("store"), &options);
    CHECK_CONTAINS(check_message(), "store");
    check_put(store, "key", "value"); /* the first is not disturbed */
    check_close(store);
}

/* Opens with a lock timeout; the answer is the thread's result. */
static void *open_patiently(void *result)
{
    sledstore_open_options options = SLEDSTORE_OPEN_OPTIONS_INIT;
    options.lock_timeout_ms = 600000;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_open(check_path("store"), &options, result, &error));
    return NULL;
}

TEST(lock_timeout_waits_until_the_lock_is_free)
{
    sledstore *first = check_open("store"), *second = NULL;
    pthread_t waiting;
    CHECK(pthread_create(&waiting, NULL, open_patiently, &second) == 0);
    check_put(first, "key", "value");
    check_pause();
    check_close(first);
    CHECK(pthread_join(waiting, NULL) == 0);
    CHECK_VALUE(second, "key", "value");
    check_close(second);
}

/* ---- temporary stores -------------------------------------------------------------------- */

static size_t entries_in(const char *path)
{
    size_t count = 0;
    DIR *directory = opendir(path);
    CHECK(directory != NULL);
    while (readdir(directory) != NULL) {
        count++;
    }
    closedir(directory);
    return count - 2; /* . and .. */
}

TEST(temporary_store_vanishes)
{
    const char *temporary = check_path("tmp");
    CHECK(mkdir(temporary, 0700) == 0 && setenv("TMPDIR", temporary, 1) == 0);
    sledstore *store, *other;
    sledstore_open_options options = SLEDSTORE_OPEN_OPTIONS_INIT;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_open_temporary(NULL, &store, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_open_temporary(&options, &other, &error));
    check_put(store, "key", "value");
    CHECK_VALUE(store, "key", "value");
    CHECK_ABSENT(other, "key"); /* each has a directory of its own */
    check_close(store);
    CHECK_STATUS(SLEDSTORE_OK, sledstore_release(other, &error));
    CHECK_NUMBER(0, entries_in(temporary));
}

TEST(temporary_store_at_a_path_vanishes)
{
    sledstore_open_options options = SLEDSTORE_OPEN_OPTIONS_INIT;
    options.flags = SLEDSTORE_OPEN_TEMPORARY;
    sledstore *store;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_open(check_path("gone"), &options, &store, &error));
    check_put(store, "key", "value");
    CHECK(access(check_path("gone"), F_OK) == 0);
    check_close(store);
    CHECK(access(check_path("gone"), F_OK) != 0);
}

TEST(temporary_store_never_takes_a_directory_that_is_there)
{
    sledstore_open_options options = SLEDSTORE_OPEN_OPTIONS_INIT;
    options.flags = SLEDSTORE_OPEN_TEMPORARY;
    sledstore *store = check_open("precious");
    check_put(store, "key", "value");
    check_close(store);
    CHECK_REFUSED(SLEDSTORE_ALREADY_EXISTS, check_path("precious"), &options);
    store = check_open("precious");
    CHECK_VALUE(store, "key", "value");
    check_close(store);
}

TEST(read_only_store_shows_what_is_there_and_refuses_writes)
{
    sledstore_open_options options = SLEDSTORE_OPEN_OPTIONS_INIT;
    options.flags = SLEDSTORE_OPEN_READ_ONLY;
    CHECK_REFUSED(SLEDSTORE_IO, check_path("shown"), &options);
    CHECK(access(check_path("shown"), F_OK) != 0);
    sledstore *writer = check_open("shown");
    check_put(writer, "key", "value");
    CHECK_REFUSED(SLEDSTORE_LOCKED, check_path("shown"), &options);
    check_close(writer);
    unsigned before = entries_in(check_path("shown"));

    sledstore *store, *other;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_open(check_path("shown"), &options, &store, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_open(check_path("shown"), &options, &other, &error));
    CHECK_VALUE(store, "key", "value");
    CHECK_VALUE(other, "key", "value");
    CHECK_STATUS(SLEDSTORE_READ_ONLY, sledstore_put(store, "key", 3, "new", 3, &error));
    CHECK_STATUS(SLEDSTORE_READ_ONLY, sledstore_delete(store, "key", 3, &error));
    sledstore *made;
    CHECK_STATUS(SLEDSTORE_READ_ONLY, sledstore_open_keyspace(store, "new", 3, 0, &made, &error));
    CHECK_STATUS(SLEDSTORE_NOT_FOUND,
                 sledstore_open_keyspace(store, "new", 3, SLEDSTORE_KEYSPACE_MUST_EXIST, &made,
                                         &error));
    sledstore_txn *txn;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_begin(store, &txn, &error));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_txn_put(txn, store, "key", 3, "new", 3, &error));
    CHECK_STATUS(SLEDSTORE_READ_ONLY, sledstore_txn_commit(txn, 0, &error));
    CHECK_VALUE(store, "key", "value");
    CHECK_NUMBER(before, entries_in(check_path("shown")));
    writer = check_open("shown"); /* the readers have copies */
    check_put(writer, "key", "later");
    CHECK_VALUE(store, "key", "value");
    check_close(writer);
    check_close(store);
    check_close(other);

    options.flags = SLEDSTORE_OPEN_READ_ONLY | SLEDSTORE_OPEN_MUST_CREATE;
    CHECK_REFUSED(SLEDSTORE_INVALID_ARGUMENT, check_path("shown"), &options);
    options.flags = SLEDSTORE_OPEN_READ_ONLY | SLEDSTORE_OPEN_TEMPORARY;
    CHECK_REFUSED(SLEDSTORE_INVALID_ARGUMENT, check_path("shown"), &options);
}

TEST(temporary_store_refuses_bad_options)
{
    sledstore *store = (sledstore *)(uintptr_t)0x1234;
    sledstore_open_options options = SLEDSTORE_OPEN_OPTIONS_INIT;
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_open_temporary(NULL, NULL, &error));
    options.struct_size = 0;
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_open_temporary(&options, &store, &error));
    CHECK(store == NULL);
    options.struct_size = sizeof options;
    options.flags = SLEDSTORE_OPEN_MUST_EXIST;
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_open_temporary(&options, &store, &error));
    options.flags = SLEDSTORE_OPEN_READ_ONLY;
    CHECK_STATUS(SLEDSTORE_INVALID_ARGUMENT, sledstore_open_temporary(&options, &store, &error));
    options.flags = SLEDSTORE_OPEN_COMPRESSION;
    CHECK_STATUS(SLEDSTORE_UNSUPPORTED, sledstore_open_temporary(&options, &store, &error));
}
