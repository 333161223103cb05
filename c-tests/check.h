/* The frame that every C test of sledstore stands in.
 *
 * A file here is a part of the library, a TEST in it is a promise of that part:
 *
 *     TEST(value_that_was_put_is_found)
 *     {
 *         sledstore *store = check_open("store");
 *         CHECK_STATUS(SLEDSTORE_OK, sledstore_put(store, TEXT("key"), TEXT("value"), &error));
 *         CHECK_VALUE(store, "key", "value");
 *         check_close(store);
 *     }
 *
 * Tests register themselves. The program takes `--list` or the name of one test; the runner
 * (tests/c_suite.rs) starts one process a test. When a test ends, no handle may be alive.
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "sledstore.h"

/* ---- tests ------------------------------------------------------------------------------- */

struct check_entry {
    const char *file;
    const char *name;
    void (*test)(void);            /* a test, or */
    int (*role)(const char *path); /* what another process does for a test */
    struct check_entry *next;
};

void check_register(struct check_entry *entry);

#define CHECK_REGISTER(name, test, role)                                          \
    static struct check_entry name##_entry = {__FILE__, #name, test, role, NULL}; \
    __attribute__((constructor)) static void name##_register(void)                \
    {                                                                             \
        check_register(&name##_entry);                                            \
    }

#define TEST(name)                   \
    static void name(void);          \
    CHECK_REGISTER(name, name, NULL) \
    static void name(void)

/* The main function of a second process: gets a path, returns the exit code. */
#define OTHER_PROCESS(name)            \
    static int name(const char *path); \
    CHECK_REGISTER(name, NULL, name)   \
    static int name(const char *path)

/* Starts this program again in the given role. An exec, because a process that was only forked
 * may not use a store of its parent. The process id; to wait, check_wait_for. */
int check_start(const char *role, const char *path);
int check_wait_for(int process); /* its exit code, or -1 when a signal ended it */

/* Ends the test here: it cannot run on this machine. The reason is shown in the results. */
void check_skip(const char *reason);

/* ---- checks ------------------------------------------------------------------------------ */

/* Where calls leave their error object: write `&error` as the last argument. Each thread has its
 * own. CHECK_STATUS fills it with rubbish before the call, and after the call demands an error
 * with that same status and a message if the status is a failure, and NULL if it is not. Then it
 * frees the error; the text stays in check_message(). */
extern __thread sledstore_error *error;
const char *check_message(void);
int32_t check_os_code(void);

#define CHECK(condition) ((condition) ? (void)0 : check_fail(__FILE__, __LINE__, #condition))

#define CHECK_STATUS(expected, call) \
    (check_before_call(),            \
     check_status(__FILE__, __LINE__, #call, (call), 1, (const int32_t[]){expected}))

/* For calls that race with others: the status must be one of several, and is returned. */
#define CHECK_ONE_OF(call, ...)                                                                  \
    (check_before_call(), check_status(__FILE__, __LINE__, #call, (call),                        \
                                       sizeof((const int32_t[]){__VA_ARGS__}) / sizeof(int32_t), \
                                       (const int32_t[]){__VA_ARGS__}))

#define CHECK_NUMBER(expected, actual) \
    check_number(__FILE__, __LINE__, #actual, (uint64_t)(expected), (uint64_t)(actual))

/* CHECK_BYTES(expected, expected_len, data, len); TEXT may stand for the first two. */
#define CHECK_BYTES(...) check_bytes(__FILE__, __LINE__, #__VA_ARGS__, __VA_ARGS__)

#define CHECK_CONTAINS(text, part) check_contains(__FILE__, __LINE__, text, part)

/* Store contents, with keys and values that are C strings. */
#define CHECK_VALUE(store, key, expected) check_value(__FILE__, __LINE__, store, key, expected)
#define CHECK_ABSENT(store, key) \
    CHECK_STATUS(SLEDSTORE_KEY_NOT_FOUND, sledstore_contains(store, TEXT(key), &error))
#define CHECK_COUNT(store, expected) check_count(__FILE__, __LINE__, store, expected)
#define CHECK_ROW(row, expected_key, expected_value) \
    check_row(__FILE__, __LINE__, &(row), expected_key, expected_value)
#define CHECK_NO_ROW(row)                                                          \
    CHECK((row).key.data == NULL && (row).key.len == 0 && (row).value.data == NULL \
          && (row).value.len == 0)

void check_fail(const char *file, int line, const char *what);
void check_before_call(void);
int32_t check_status(const char *file, int line, const char *call, int32_t actual, size_t count,
                     const int32_t *expected);
void check_number(const char *file, int line, const char *what, uint64_t expected, uint64_t actual);
void check_bytes(const char *file, int line, const char *what, const void *expected,
                 size_t expected_len, const void *data, size_t len);
void check_contains(const char *file, int line, const char *text, const char *part);
void check_value(const char *file, int line, const sledstore *store, const char *key,
                 const char *expected);
void check_count(const char *file, int line, const sledstore *store, uint64_t expected);
void check_row(const char *file, int line, const sledstore_pair *row, const char *key,
               const char *value);

/* ---- helpers ----------------------------------------------------------------------------- */

/* A C string as the pointer and the length that the library takes. */
#define TEXT(text) (text), strlen(text)

/* A C string as a sledstore_bytes, for arrays and options. */
sledstore_bytes check_text(const char *text);

/* A path in a directory that is this test's own and goes when the test ends. */
const char *check_path(const char *name);

sledstore *check_open(const char *name); /* at check_path(name), created if need be */
sledstore *check_open_tree(const sledstore *store, const char *name);
void check_put(const sledstore *store, const char *key, const char *value);
size_t check_live(int32_t kind); /* handles alive; kind 0: all */
void check_close(sledstore *store);
void check_pause(void); /* a millisecond */

#endif
