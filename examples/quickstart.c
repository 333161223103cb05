/*
 * quickstart: a small database of the characters of Unicode, kept in one sledstore directory.
 *     build/quickstart                   loads the characters and shows what a store can do
 *     build/quickstart snowman U+2603    looks characters up, by word or by code point
 *
 * The store has three keyspaces. In each, the keys are in the order of their bytes.
 *     default   code point (4 bytes, highest first)  ->  category (2 letters), name
 *     words     word, zero byte, code point          ->  nothing: the key says it all
 *     state     "loaded", and "session", which expires
 */
#define _POSIX_C_SOURCE 200112L /* for clock_gettime */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "sledstore.h"

#define DIRECTORY "build/quickstart.data"
#define DATA "examples/data/UnicodeData.txt"
enum { CODE_POINT = 4, WORD = 64, RECORDS_A_BATCH = 1000, TTL = 30 * 60 * 1000 };

static sledstore *characters, *words, *state; /* the keyspaces, all in one store */
static sledstore_error *error;                /* why the last call failed, if it did */

/* A negative status is a failure and ends the program. Any other is an outcome, for the caller. */
static sledstore_status check(const char *task, sledstore_status status)
{
    if (status >= 0) return status;
    fprintf(stderr, "quickstart: cannot %s: %s (%s)\n", task, sledstore_error_message(error),
            sledstore_status_name(status));
    exit(1);
}

static double milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

/* With the highest byte first, the order of the keys is the order of the numbers. */
static void encode(unsigned char key[CODE_POINT], unsigned code_point)
{
    for (int i = 0; i < CODE_POINT; i++) key[i] = (unsigned char)(code_point >> (24 - 8 * i));
}

static unsigned decode(const unsigned char *key)
{
    return (unsigned)key[0] << 24 | (unsigned)key[1] << 16 | (unsigned)key[2] << 8 | key[3];
}

/* Takes the next word off *text, in capitals. Returns its length, 0 when there was none. */
static size_t next_word(const char **text, char word[WORD])
{
    size_t length = 0;
    while (**text && !isalnum((unsigned char)**text)) ++*text;
    while (isalnum((unsigned char)**text) && length < WORD - 1)
        word[length++] = (char)toupper((unsigned char)*(*text)++);
    word[length] = '\0';
    return length;
}

static void print_utf8(unsigned c)
{
    if (c < 0x80)
        printf("%c", c);
    else if (c < 0x800)
        printf("%c%c", 0xC0 | c >> 6, 0x80 | (c & 63));
    else if (c < 0x10000)
        printf("%c%c%c", 0xE0 | c >> 12, 0x80 | (c >> 6 & 63), 0x80 | (c & 63));
    else
        printf("%c%c%c%c", 0xF0 | c >> 18, 0x80 | (c >> 12 & 63), 0x80 | (c >> 6 & 63),
               0x80 | (c & 63));
}

/* A look-up by key. Returns how many characters it found: 0 or 1. */
static unsigned show_character(unsigned code_point)
{
    unsigned char key[CODE_POINT];
    sledstore_value *value; /* ours until we free it, whatever happens to the store */
    encode(key, code_point);
    if (check("get", sledstore_get(characters, key, CODE_POINT, &value, &error)) != SLEDSTORE_OK)
        return 0;
    const char *record = sledstore_value_data(value);
    printf("  U+%04X %.*s %.2s ", code_point, (int)sledstore_value_len(value) - 2, record + 2,
           record);
    if (*record != 'C') print_utf8(code_point); /* controls and the like are not for printing */
    printf("\n");
    check("free a value", sledstore_value_free(value));
    return 1;
}

/* A look-up by word: the keys that start with the word and a zero byte end with the code points. */
static unsigned show_matches(const char *text)
{
    char word[WORD];
    unsigned found = 0;
    sledstore_iter *matches;
    sledstore_pair row; /* borrowed from the iterator until its next move */
    sledstore_iter_options options = SLEDSTORE_ITER_OPTIONS_INIT;
    options.prefix = (sledstore_bytes){word, next_word(&text, word) + 1};
    check("scan the words", sledstore_iter_new(words, &options, &matches, &error));
    while (check("read a word", sledstore_iter_next(matches, &row, &error)) != SLEDSTORE_END)
        found += show_character(decode((const unsigned char *)row.key.data + options.prefix.len));
    check("free an iterator", sledstore_iter_free(matches));
    return found;
}

/* One iterator walks both ways between its bounds. */
static void show_block(unsigned first, unsigned last)
{
    unsigned char lower[CODE_POINT], upper[CODE_POINT];
    sledstore_iter *block;
    sledstore_pair row;
    sledstore_iter_options options = SLEDSTORE_ITER_OPTIONS_INIT;
    encode(lower, first), encode(upper, last);
    options.lower = (sledstore_bytes){lower, CODE_POINT};
    options.upper = (sledstore_bytes){upper, CODE_POINT};
    options.flags = SLEDSTORE_ITER_UPPER_INCLUSIVE | SLEDSTORE_ITER_KEYS_ONLY;
    check("scan a block", sledstore_iter_new(characters, &options, &block, &error));
    printf("U+%04X to U+%04X, up and down: ", first, last);
    while (check("step up", sledstore_iter_next(block, &row, &error)) != SLEDSTORE_END)
        print_utf8(decode(row.key.data));
    printf("  ");
    while (check("step down", sledstore_iter_prev(block, &row, &error)) != SLEDSTORE_END)
        print_utf8(decode(row.key.data));
    printf("\n");
    check("free an iterator", sledstore_iter_free(block));
}

/* A batch holds records and their index entries: after a crash all of it is there, or nothing. */
static void load(void)
{
    char line[512], record[128], category[3], word[WORD + CODE_POINT];
    unsigned char key[CODE_POINT];
    unsigned code_point, records = 0, entries = 0;
    double start = milliseconds();
    sledstore_batch *batch;
    FILE *file = fopen(DATA, "r");
    if (!file) {
        perror("quickstart: cannot read " DATA);
        exit(1);
    }
    check("make a batch", sledstore_batch_new(&batch, &error));
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "%X;%125[^;];%2[^;]", &code_point, record + 2, category) != 3) continue;
        memcpy(record, category, 2);
        encode(key, code_point);
        check("add", sledstore_batch_put(batch, characters, key, CODE_POINT, record, strlen(record),
                                         &error));
        const char *name =
            record[2] == '<' ? "" : record + 2; /* <control> is a remark, not a name */
        for (size_t length; (length = next_word(&name, word)) > 0; entries++) {
            memcpy(word + length + 1, key, CODE_POINT); /* behind the zero byte of the word */
            check("add", sledstore_batch_put(batch, words, word, length + 1 + CODE_POINT, NULL, 0,
                                             &error));
        }
        if (++records % RECORDS_A_BATCH) continue;
        check("write a batch", sledstore_batch_apply(characters, batch, 0, &error));
        check("empty the batch", sledstore_batch_clear(batch, &error));
    }
    fclose(file);
    check("mark the end", sledstore_batch_put(batch, state, "loaded", 6, NULL, 0, &error));
    check("write the last batch", sledstore_batch_apply(characters, batch, 0, &error));
    check("free the batch", sledstore_batch_free(batch));
    printf("loaded %u characters, %u words in %.0f ms\n", records, entries, milliseconds() - start);
}

static void open_store(void)
{
    double start = milliseconds();
    uint64_t rows;
    check("open the store", sledstore_open(DIRECTORY, NULL, &characters, &error));
    check("open the words", sledstore_open_keyspace(characters, "words", 5, 0, &words, &error));
    check("open the state", sledstore_open_keyspace(characters, "state", 5, 0, &state, &error));
    check("count", sledstore_count(characters, &rows, &error));
    printf("opened " DIRECTORY " in %.0f ms: %u characters\n", milliseconds() - start,
           (unsigned)rows);
}

static void close_store(void)
{
    check("release the words", sledstore_release(words, &error));
    check("release the state", sledstore_release(state, &error));
    check("close the store", sledstore_close(characters, &error));
}

static void show_all(void)
{
    uint64_t left;
    puts("by code point:");
    show_character(0x1F6F7);
    puts("by word:");
    show_matches("snowman");
    show_block(0x2654, 0x265F);
    check("ask for a TTL", sledstore_ttl(state, "session", 7, &left, &error));
    printf("the session expires in %lu ms\n", (unsigned long)left);
}

static int look_up(char **queries)
{
    unsigned code_point, found = 0;
    double start = milliseconds();
    if (check("look", sledstore_contains(state, "loaded", 6, &error)) != SLEDSTORE_OK) load();
    for (; *queries; queries++)
        found += sscanf(*queries, "U+%X", &code_point) == 1 ? show_character(code_point)
                                                            : show_matches(*queries);
    printf("found %u in %.1f ms\n", found, milliseconds() - start);
    close_store();
    return found ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc > 1 && argv[1][0] == '-') {
        fprintf(stderr, "usage: %s [word | U+code_point ...]\n", argv[0]);
        return 2;
    }
    open_store();
    if (argc > 1) return look_up(argv + 1);
    load();
    check("log in", sledstore_put_with_ttl(state, "session", 7, "ada", 3, TTL, &error));
    show_all();
    close_store();
    puts("closed");
    open_store();
    show_all();
    close_store();
    return 0;
}
