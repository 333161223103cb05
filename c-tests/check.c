/* See check.h. */
#define _XOPEN_SOURCE 700 /* nftw, mkdtemp, fork, nanosleep */

#include "check.h"

#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PASSED = 0, FAILED = 1, USAGE = 2, SKIPPED = 77 };

static struct check_entry *first_entry;
static struct check_entry **next_entry = &first_entry;
static const char *program;
static char directory[1024];
static pid_t directory_owner; /* a forked child leaves it alone */

__thread sledstore_error *error;
static __thread char message[4096];
static __thread int32_t os_code;

void check_register(struct check_entry *entry)
{
    *next_entry = entry;
    next_entry = &entry->next;
}

/* ---- a directory for the test ------------------------------------------------------------ */

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    return remove(path);
}

static void remove_directory(void)
{
    if (directory[0] != '\0' && directory_owner == getpid()) {
        nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
        directory[0] = '\0';
    }
}

const char *check_path(const char *name)
{
    static __thread char paths[4][1280]; /* in turn, so that one call may use several */
    static __thread unsigned turn;
    if (directory[0] == '\0') {
        const char *parent = getenv("TMPDIR");
        snprintf(directory, sizeof directory, "%s/sledstore-c-test-XXXXXX",
                 parent != NULL && parent[0] != '\0' ? parent : "/tmp");
        CHECK(mkdtemp(directory) != NULL);
        directory_owner = getpid();
    }
    turn = (turn + 1) % 4;
    snprintf(paths[turn], sizeof paths[turn], "%s/%s", directory, name);
    return paths[turn];
}

/* ---- checks ------------------------------------------------------------------------------ */

/* Ends the process at once: other threads may be in the middle of calls. */
static void end_test(int code)
{
    fflush(NULL);
    remove_directory();
    _exit(code);
}

void check_fail(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: check failed: %s\n", file, line, what);
    end_test(FAILED);
}

void check_skip(const char *reason)
{
    printf("skipped: %s\n", reason);
    end_test(SKIPPED);
}

const char *check_message(void)
{
    return message;
}

int32_t check_os_code(void)
{
    return os_code;
}

void check_before_call(void)
{
    error = (sledstore_error *)(uintptr_t)0x5bad5bad; /* must be overwritten, never read */
}

static void fail_status(const char *file, int line, const char *call, int32_t actual,
                        const char *complaint, int32_t expected)
{
    fprintf(stderr, "%s:%d: %s\n    answered %s (%d): %s %s (%d)\n    message: %s\n", file, line,
            call, sledstore_status_name(actual), (int)actual, complaint,
            sledstore_status_name(expected), (int)expected, message);
    end_test(FAILED);
}

/* The rules that the error object of every single call has to keep. */
static void check_error_object(const char *file, int line, const char *call, int32_t actual)
{
    sledstore_error *given = error;
    message[0] = '\0';
    os_code = 0;
    if (strstr(call, "&error") == NULL) {
        return;
    }
    if (actual >= 0) {
        if (given != NULL) {
            fail_status(file, line, call, actual, "an error object although it is no failure, not",
                        SLEDSTORE_OK);
        }
        return;
    }
    if (given == NULL) {
        fail_status(file, line, call, actual, "no error object came with", actual);
    }
    snprintf(message, sizeof message, "%s", sledstore_error_message(given));
    os_code = sledstore_error_os_code(given);
    if (sledstore_error_status(given) != actual) {
        fail_status(file, line, call, actual, "but its error object says",
                    sledstore_error_status(given));
    }
    if (message[0] == '\0') {
        fail_status(file, line, call, actual, "the error has no message", actual);
    }
    if (sledstore_error_free(given) != SLEDSTORE_OK) {
        fail_status(file, line, call, actual, "its error object cannot be freed", SLEDSTORE_OK);
    }
}

int32_t check_status(const char *file, int line, const char *call, int32_t actual, size_t count,
                     const int32_t *expected)
{
    check_error_object(file, line, call, actual);
    for (size_t at = 0; at < count; at++) {
        if (actual == expected[at]) {
            return actual;
        }
    }
    fail_status(file, line, call, actual, count == 1 ? "expected" : "expected one of several, as",
                expected[0]);
    return actual;
}

void check_number(const char *file, int line, const char *what, uint64_t expected, uint64_t actual)
{
    if (expected != actual) {
        fprintf(stderr, "%s:%d: %s is %llu, expected %llu\n", file, line, what,
                (unsigned long long)actual, (unsigned long long)expected);
        end_test(FAILED);
    }
}

void check_bytes(const char *file, int line, const char *what, const void *expected,
                 size_t expected_len, const void *data, size_t len)
{
    if (data == NULL || len != expected_len || memcmp(expected, data, len) != 0) {
        fprintf(stderr, "%s:%d: %s is \"%.*s\" (%zu bytes%s), expected \"%.*s\" (%zu bytes)\n",
                file, line, what, data == NULL ? 0 : (int)(len < 200 ? len : 200),
                data == NULL ? "" : (const char *)data, len, data == NULL ? ", NULL" : "",
                (int)(expected_len < 200 ? expected_len : 200), (const char *)expected,
                expected_len);
        end_test(FAILED);
    }
}

void check_contains(const char *file, int line, const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        fprintf(stderr, "%s:%d: \"%s\" does not contain \"%s\"\n", file, line, text, part);
        end_test(FAILED);
    }
}

void check_value(const char *file, int line, const sledstore *store, const char *key,
                 const char *expected)
{
    sledstore_value *value;
    check_before_call();
    check_status(file, line, key, sledstore_get(store, TEXT(key), &value, NULL), 1,
                 (const int32_t[]){SLEDSTORE_OK});
    check_bytes(file, line, key, TEXT(expected), sledstore_value_data(value),
                sledstore_value_len(value));
    CHECK_STATUS(SLEDSTORE_OK, sledstore_value_free(value));
}

void check_count(const char *file, int line, const sledstore *store, uint64_t expected)
{
    uint64_t count = 0;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_count(store, &count, &error));
    check_number(file, line, "the count of the store", expected, count);
}

void check_row(const char *file, int line, const sledstore_pair *row, const char *key,
               const char *value)
{
    check_bytes(file, line, "the row's key", TEXT(key), row->key.data, row->key.len);
    check_bytes(file, line, "the row's value", TEXT(value), row->value.data, row->value.len);
}

/* ---- helpers ----------------------------------------------------------------------------- */

sledstore_bytes check_text(const char *text)
{
    sledstore_bytes bytes = {text, strlen(text)};
    return bytes;
}

sledstore *check_open(const char *name)
{
    sledstore *store = NULL;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_open(check_path(name), NULL, &store, &error));
    CHECK(store != NULL);
    return store;
}

sledstore *check_open_tree(const sledstore *store, const char *name)
{
    sledstore *keyspace = NULL;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_open_keyspace(store, TEXT(name), 0, &keyspace, &error));
    CHECK(keyspace != NULL);
    return keyspace;
}

void check_put(const sledstore *store, const char *key, const char *value)
{
    CHECK_STATUS(SLEDSTORE_OK, sledstore_put(store, TEXT(key), TEXT(value), &error));
}

void check_close(sledstore *store)
{
    CHECK_STATUS(SLEDSTORE_OK, sledstore_close(store, &error));
}

size_t check_live(int32_t kind)
{
    size_t count = 0;
    CHECK_STATUS(SLEDSTORE_OK, sledstore_live_handles(kind, &count, &error));
    return count;
}

void check_pause(void)
{
    struct timespec millisecond = {0, 1000000};
    nanosleep(&millisecond, NULL);
}

int check_start(const char *role, const char *path)
{
    fflush(NULL);
    pid_t process = fork();
    CHECK(process >= 0);
    if (process == 0) {
        execl(program, program, "--as", role, path, (char *)NULL);
        _exit(USAGE);
    }
    return (int)process;
}

int check_wait_for(int process)
{
    int status = 0;
    CHECK(waitpid((pid_t)process, &status, 0) == (pid_t)process);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- the program ------------------------------------------------------------------------- */

static void full_name(const struct check_entry *entry, char *name, size_t capacity)
{
    const char *slash = strrchr(entry->file, '/');
    const char *part = slash == NULL ? entry->file : slash + 1;
    snprintf(name, capacity, "%.*s::%s", (int)strcspn(part, "."), part, entry->name);
}

static const struct check_entry *find(const char *wanted)
{
    char name[256];
    for (const struct check_entry *entry = first_entry; entry != NULL; entry = entry->next) {
        full_name(entry, name, sizeof name);
        if (strcmp(name, wanted) == 0) {
            return entry;
        }
    }
    return NULL;
}

static int list(void)
{
    char name[256];
    for (const struct check_entry *entry = first_entry; entry != NULL; entry = entry->next) {
        if (entry->test != NULL) {
            full_name(entry, name, sizeof name);
            puts(name);
        }
    }
    return PASSED;
}

/* Handles are tokens in a table that keeps what they name reachable, so no leak checker sees a
 * forgotten one. The library's own count does. */
static void check_that_nothing_is_left(void)
{
    static const char *const kinds[] = {"handles",   "stores", "batches",
                                        "iterators", "values", "errors"};
    if (check_live(0) == 0) {
        return;
    }
    for (int32_t kind = 0; kind < 6; kind++) {
        fprintf(stderr, "left at the end of the test: %zu %s\n", check_live(kind), kinds[kind]);
    }
    end_test(FAILED);
}

int main(int count, char **arguments)
{
    program = arguments[0];
    if (count == 2 && strcmp(arguments[1], "--list") == 0) {
        return list();
    }
    const struct check_entry *entry = NULL;
    if (count == 2) {
        entry = find(arguments[1]);
    } else if (count == 4 && strcmp(arguments[1], "--as") == 0) {
        entry = find(arguments[2]);
    }
    if (entry != NULL && count == 4 && entry->role != NULL) {
        return entry->role(arguments[3]);
    }
    if (entry == NULL || entry->test == NULL) {
        fprintf(stderr, "usage: %s --list | PART::TEST\n", program);
        return USAGE;
    }
    entry->test();
    check_that_nothing_is_left();
    remove_directory();
    return PASSED;
}
