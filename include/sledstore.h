/*
 * sledstore: an embedded, persistent, ordered key-value store.
 *
 * Keys and values are strings of any bytes. Keys are kept in order, byte by byte, in files in a
 * directory. The library runs inside of your program; there is no server.
 *
 * This file is the manual. It is generated: do not edit it.
 *
 * EXAMPLE
 *
 * A complete program. Compile it with: cc fruit.c -lsledstore
 *
 *     #include <sledstore.h>
 *     #include <stdio.h>
 *
 *     int main(void) {
 *       sledstore *store;
 *       sledstore_value *value = NULL;
 *       sledstore_error *error;
 *       int failed = 1;
 *       if (sledstore_open("fruit.db", NULL, &store, &error) < 0) goto done;
 *       switch (sledstore_get(store, "apple", 5, &value, &error)) {
 *       case SLEDSTORE_OK:
 *         printf("%.*s\n", (int)sledstore_value_len(value), (const char *)sledstore_value_data(value));
 *         break;
 *       case SLEDSTORE_KEY_NOT_FOUND: // an outcome and no failure: there is no error
 *         puts("no apple yet");
 *         if (sledstore_put(store, "apple", 5, "red", 3, &error) < 0) goto done;
 *         break;
 *       default:
 *         goto done;
 *       }
 *       failed = 0;
 *     done:
 *       if (error != NULL) fprintf(stderr, "%s\n", sledstore_error_message(error));
 *       sledstore_error_free(error); // NULL is fine for this,
 *       sledstore_value_free(value); // for this,
 *       if (sledstore_close(store, &error) < 0) { // and for this
 *         fprintf(stderr, "%s\n", sledstore_error_message(error));
 *         sledstore_error_free(error);
 *         failed = 1;
 *       }
 *       return failed;
 *     }
 *
 * STATUSES
 *
 * A function that can fail returns a sledstore_status. 0 is SLEDSTORE_OK. A positive status is an
 * outcome that is no failure, such as SLEDSTORE_KEY_NOT_FOUND. A negative one is a failure. So
 * `if (status < 0)` catches failures, and `if (status == SLEDSTORE_OK)` asks for success.
 *
 * Each function lists every status that it can return. Two groups are written as two words:
 *
 *   the handle statuses   SLEDSTORE_INVALID_ARGUMENT: a handle is NULL
 *                         SLEDSTORE_WRONG_HANDLE: something else was passed as a handle
 *                         SLEDSTORE_CLOSED: the handle was freed, or its store closed
 *                         SLEDSTORE_KEYSPACE_DROPPED: the keyspace that it works on was dropped
 *                         SLEDSTORE_TXN_OVER: the transaction was committed or rolled back
 *                         SLEDSTORE_FORKED: this process is the child of a fork()
 *                         SLEDSTORE_PANIC: a bug in the library was caught
 *   the engine statuses   SLEDSTORE_IO: the operating system reported an error
 *                         SLEDSTORE_CORRUPTION: the files are damaged
 *                         SLEDSTORE_DISK_FULL
 *                         SLEDSTORE_READ_ONLY_FILESYSTEM
 *                         SLEDSTORE_READ_ONLY: a write, and SLEDSTORE_OPEN_READ_ONLY was asked for
 *                         SLEDSTORE_TIMEOUT: the disk did not answer in time
 *                         SLEDSTORE_OTHER: any other failure of the engine
 *
 * ERRORS
 *
 * What went wrong in words comes from the call that failed. Pass the address of a variable as its
 * last argument; it is set to NULL first, and to an error that you free with sledstore_error_free()
 * if the call fails. Pass NULL if you do not want to know. There is no "last error" to be asked
 * for.
 *
 * HANDLES
 *
 * sledstore, sledstore_batch, sledstore_iter, sledstore_snapshot, sledstore_txn, sledstore_watch,
 * sledstore_changes, sledstore_sink, sledstore_value and sledstore_error are handles: they look like pointers, but are numbers that the library looks
 * up. Do not follow them, and do not calculate with them. A NULL, a freed handle, a handle of
 * another type, a random number: each gives a status (or the empty answer that the function
 * documents) and does no harm, also when another thread frees the handle at that moment.
 *
 * sledstore_..._free(NULL) does nothing and is SLEDSTORE_OK, and so are sledstore_close(),
 * sledstore_release() and sledstore_txn_rollback() of NULL. A place for a new handle is set to
 * NULL before anything else happens, so after a failure it can be freed like that. A call gives a
 * handle or an error, never both.
 *
 * MEMORY
 *
 * Bytes go in as a pointer and a length; the library reads them during the call and keeps no
 * pointer. A pointer with a length points to that many readable bytes (or entries), which do not
 * change during the call. It may be NULL if the length is 0. Strings (paths, names of features) end
 * with a NUL.
 *
 * Bytes come out in three ways: as a sledstore_value, which you free and which outlives everything;
 * into your own buffer; or as a row of an iterator, which is valid until its next move, an event of a
 * watch or a change of a feed, which are valid until the next call on it. A function that fills a buffer or an array of yours tells how much there is when it is given none: NULL, and
 * a capacity of 0. With less than that it is SLEDSTORE_BUFFER_TOO_SMALL, and writes nothing else.
 *
 * A pointer to a result points to a variable of that type, and an array for results has room for as
 * many entries as the call says; no other thread uses them during the call. Results are zeroed
 * first: handles are NULL, numbers are 0, rows are {NULL, 0}. A result that may be NULL says so; a
 * missing one is SLEDSTORE_INVALID_ARGUMENT.
 *
 * Never give memory of the library to free(), nor memory of malloc() to the library to free.
 *
 * Structs with options begin with their size. Start from the _INIT macro, set what you need:
 *
 *     sledstore_open_options options = SLEDSTORE_OPEN_OPTIONS_INIT;
 *     options.flush_every_ms = 100;
 *
 * A program that was compiled with an older header runs with a newer library; what it does not know
 * is 0, the default. A program that sets an option, a flag or a mode which an older library does not
 * know is told SLEDSTORE_UNSUPPORTED.
 *
 * KEYS AND VALUES
 *
 * A key has 0 to 4096 bytes (less in a store with small segments, see sledstore_open_options), a
 * value 0 to 1073741824 (1 GiB); more than that cannot be written, and is SLEDSTORE_UNSUPPORTED. A
 * longer key is simply never there. A length that no memory can have is SLEDSTORE_INVALID_ARGUMENT
 * in every function, and so is an array that is not aligned.
 *
 * An empty value is a value; that a key is not there is told by the status. Keys that expire are
 * not there from that millisecond on, for every function.
 *
 * ONE MOMENT
 *
 * Each call that writes is one step: a read sees all of it or nothing, also of a batch over
 * keyspaces and of a transaction. Two reads are two moments, and a writer may come in between.
 * Three things show one moment, however long they take and whoever writes meanwhile: a
 * sledstore_snapshot, over all keyspaces; a sledstore_iter; and a sledstore_txn, which also writes,
 * as if its reads and its writes had happened at one moment, or tells that they cannot have
 * (SLEDSTORE_TXN_CONFLICT). None of them makes a writer wait.
 *
 * The price is memory: while one of them is open, each row that is overwritten or deleted is kept as
 * it was, and so are the recent writes of its moment. The open option snapshot_memory bounds that.
 *
 * WHAT LASTS
 *
 * A write that returned is seen by every read that begins afterwards. What it survives from then on:
 *
 *   durability   the process ends, however    the system crashes, or its power is cut
 *   BUFFERED     all of it                    what was synced: by itself every 500 milliseconds, by
 *                                             sledstore_flush(), by a SYNCED write after it, or by
 *                                             sledstore_close()
 *   SYNCED       all of it                    all of it
 *
 * BUFFERED is the default; SLEDSTORE_DURABILITY_SYNCED is chosen for a store when it is opened, or
 * for one batch or transaction. What is lost is always the end: what is left is what some first
 * part of all writes made, over all keyspaces, and never half of a write, a batch or a transaction.
 *
 * On a full disk a write answers SLEDSTORE_DISK_FULL and changes nothing; later ones go on when
 * there is room. If a sync fails, or the library cannot write to its main file, every write and
 * flush answers with that first failure from then on. Reads go on, but for what has to be read from
 * the disk and cannot. Close the store and open it again: what was synced is there. If the disk does
 * not answer for 60 seconds, a flush and a close give up with SLEDSTORE_TIMEOUT. Other calls take as
 * long as the disk, if they have to wait for it at all: a read for what is not in memory, a write
 * when the memory for recent writes is full.
 *
 * A store that has lost its last writes all the same, because its files were damaged or an old copy
 * was put in their place, is mostly noticed when it is opened: SLEDSTORE_CORRUPTION, unless it is
 * opened with SLEDSTORE_OPEN_SALVAGE. Not every damage is.
 *
 * THREADS
 *
 * A store, a snapshot, a value and an error may be used by any number of threads at once. A batch,
 * an iterator, a transaction, a watch and a feed of changes are for one thread at a time; the second is told SLEDSTORE_BUSY,
 * and nothing is harmed. A parameter that is a pointer to const may be used by many threads at
 * once. No function has to be called on a particular thread, but a thread needs 128 KiB of stack.
 * No function may be called from a signal handler, and no thread may be ended by pthread_cancel()
 * inside a call. The library's own threads block all signals; seven of them stay, and wake up once a
 * second, when the last store is closed. So a program may take its signals by
 * sigwait() or signalfd(), and may block them before or after it opens a store.
 *
 * CALLBACKS
 *
 * A function in a callback struct is a function of that type, which may be called until destroy
 * was. It is called on the thread that made the call, and the library holds no lock meanwhile, so
 * it may call the library, but for a merge operator, which may call nothing of a store. It must
 * return: no exception and no longjmp() may leave it.
 *
 *     static int32_t deposit(void *amount, sledstore_txn *txn) {
 *       uint64_t balance = 0;
 *       size_t len;
 *       int32_t status =
 *           sledstore_txn_get_into(txn, NULL, "balance", 7, &balance, sizeof balance, &len, NULL);
 *       if (status < 0) return status;
 *       balance += *(uint64_t *)amount;
 *       return sledstore_txn_put(txn, NULL, "balance", 7, &balance, sizeof balance, NULL);
 *     }
 *
 *     sledstore_txn_callback callback = SLEDSTORE_TXN_CALLBACK_INIT;
 *     callback.ctx = &amount;
 *     callback.run = deposit;
 *     status = sledstore_txn_run(store, &callback, &error);
 *
 * PROCESSES
 *
 * One process at a time can have a directory open. Open stores after fork(), not before: in the
 * child of a process that had ever opened one, every function except the sledstore_version and
 * sledstore_status families, sledstore_build_info() and sledstore_has_feature() answers
 * SLEDSTORE_FORKED, with an error that says so, or nothing, and the files are not touched. exec() is fine. The parent goes on as
 * if there were no child, and can close the store while the child lives. The library stays loaded
 * after dlclose().
 *
 * BUGS IN THE LIBRARY
 *
 * A bug that the library notices in itself ends the call with SLEDSTORE_PANIC, not the process, and
 * prints a line to stderr. A batch, iterator or transaction that it happened in answers
 * SLEDSTORE_PANIC from then on; free it. Running out of memory ends the process.
 */


#ifndef SLEDSTORE_H
#define SLEDSTORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The version of this header. The library's own is told by sledstore_version_number(). */
#define SLEDSTORE_VERSION_MAJOR 0
#define SLEDSTORE_VERSION_MINOR 1
#define SLEDSTORE_VERSION_PATCH 0
#define SLEDSTORE_VERSION_STRING "0.1.0"
#define SLEDSTORE_VERSION_NUMBER                                                                   \
  (SLEDSTORE_VERSION_MAJOR * 1000000 + SLEDSTORE_VERSION_MINOR * 1000 + SLEDSTORE_VERSION_PATCH)

/* Stands before every function. Define it yourself before the include to have something else. */
#ifndef SLEDSTORE_API
#if defined(__GNUC__)
#define SLEDSTORE_API __attribute__((visibility("default")))
#else
#define SLEDSTORE_API
#endif
#endif

/* All defaults, to start from: sledstore_open_options options = SLEDSTORE_OPEN_OPTIONS_INIT; */
#define SLEDSTORE_OPEN_OPTIONS_INIT                                                                \
  { sizeof(sledstore_open_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* All rows, to start from: sledstore_iter_options options = SLEDSTORE_ITER_OPTIONS_INIT; */
#define SLEDSTORE_ITER_OPTIONS_INIT                                                                \
  { sizeof(sledstore_iter_options), 0, { NULL, 0 }, { NULL, 0 }, { NULL, 0 } }

/* To start from: sledstore_finding_callback callback = SLEDSTORE_FINDING_CALLBACK_INIT; */
#define SLEDSTORE_FINDING_CALLBACK_INIT { sizeof(sledstore_finding_callback), NULL, NULL, NULL }
/* All defaults, to start from: sledstore_watch_options options = SLEDSTORE_WATCH_OPTIONS_INIT; */
#define SLEDSTORE_WATCH_OPTIONS_INIT { sizeof(sledstore_watch_options), 0, 0 }

/* To start from: sledstore_txn_callback callback = SLEDSTORE_TXN_CALLBACK_INIT; */
#define SLEDSTORE_TXN_CALLBACK_INIT { sizeof(sledstore_txn_callback), NULL, NULL, NULL }

/* To start from: sledstore_merge_operator add = SLEDSTORE_MERGE_OPERATOR_INIT; */
#define SLEDSTORE_MERGE_OPERATOR_INIT { sizeof(sledstore_merge_operator), NULL, NULL, NULL }

/* To start from: sledstore_progress_callback callback = SLEDSTORE_PROGRESS_CALLBACK_INIT; */
#define SLEDSTORE_PROGRESS_CALLBACK_INIT { sizeof(sledstore_progress_callback), NULL, NULL, NULL }

/* To start from: sledstore_write_callback callback = SLEDSTORE_WRITE_CALLBACK_INIT; */
#define SLEDSTORE_WRITE_CALLBACK_INIT { sizeof(sledstore_write_callback), NULL, NULL, NULL }

/* To start from: sledstore_read_callback callback = SLEDSTORE_READ_CALLBACK_INIT; */
#define SLEDSTORE_READ_CALLBACK_INIT { sizeof(sledstore_read_callback), NULL, NULL, NULL }

/* To start from: sledstore_stats_info stats = SLEDSTORE_STATS_INIT; */
#define SLEDSTORE_STATS_INIT                                                                       \
  { sizeof(sledstore_stats_info), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }


/**
 * Handles of the type sledstore, for sledstore_live_handles().
 */
#define SLEDSTORE_KIND_STORE 1

/**
 * Handles of the type sledstore_batch, for sledstore_live_handles().
 */
#define SLEDSTORE_KIND_BATCH 2

/**
 * Handles of the type sledstore_iter, for sledstore_live_handles().
 */
#define SLEDSTORE_KIND_ITER 3

/**
 * Handles of the type sledstore_value, for sledstore_live_handles().
 */
#define SLEDSTORE_KIND_VALUE 4

/**
 * Handles of the type sledstore_error, for sledstore_live_handles().
 */
#define SLEDSTORE_KIND_ERROR 5

/**
 * Handles of the type sledstore_snapshot, for sledstore_live_handles().
 */
#define SLEDSTORE_KIND_SNAPSHOT 6

/**
 * Handles of the type sledstore_txn, for sledstore_live_handles().
 */
#define SLEDSTORE_KIND_TXN 7

/**
 * Handles of the type sledstore_watch, for sledstore_live_handles().
 */
#define SLEDSTORE_KIND_WATCH 8

/**
 * Handles of the type sledstore_changes, for sledstore_live_handles().
 */
#define SLEDSTORE_KIND_CHANGES 9

/**
 * Handles of the type sledstore_sink, for sledstore_live_handles().
 */
#define SLEDSTORE_KIND_SINK 10

/**
 * For sledstore_open_options.flags: there has to be a store in the directory already. If there is
 * none, the call answers SLEDSTORE_IO with the error number ENOENT.
 */
#define SLEDSTORE_OPEN_MUST_EXIST 1

/**
 * For sledstore_open_options.flags: there must be no store yet. If there is one, the call answers
 * SLEDSTORE_ALREADY_EXISTS.
 */
#define SLEDSTORE_OPEN_MUST_CREATE 2

/**
 * For sledstore_open_options.flags: compress what is written. Needs the feature "compression";
 * without it the call answers SLEDSTORE_UNSUPPORTED.
 */
#define SLEDSTORE_OPEN_COMPRESSION 4

/**
 * For sledstore_open_options.flags: create the directory, and remove it with everything in it when
 * the store is closed, unless it was moved away. The path must not exist yet.
 */
#define SLEDSTORE_OPEN_TEMPORARY 8

/**
 * For sledstore_open_options.flags: open a store that is damaged or has lost some of its last writes too,
 * which is refused with SLEDSTORE_CORRUPTION otherwise. Every commit that is whole in the log is
 * brought over, also behind one that is lost. What is there is then taken for all there is, which can
 * be nothing, and the rest is written over: copy the directory first. sledstore_salvage_report()
 * tells what is lost. Damaged log files stay in the directory, as sledstore.damaged.log.N. A store that is
 * refused is left as it was.
 */
#define SLEDSTORE_OPEN_SALVAGE 16

/**
 * For sledstore_open_options.flags: open a store that must not change. Not a byte of its directory is
 * written, which may lie on a file system that is mounted read-only, or belong to another user; every
 * write answers SLEDSTORE_READ_ONLY, a transaction's when it is committed. Cannot be combined with
 * SLEDSTORE_OPEN_MUST_CREATE and SLEDSTORE_OPEN_TEMPORARY.
 *
 * What is opened is a private copy, made among the system's temporary files (TMPDIR) and removed when the
 * store is closed; a process that is killed leaves it. So opening takes the time and the room of a copy,
 * and the store shows what it held when it was opened, with lives going on. Any number of processes
 * can open a store so at once. Writers are kept out (SLEDSTORE_LOCKED), and keep out, only while the store is
 * copied. With SLEDSTORE_OPEN_SALVAGE it is a look at what a damaged store still has.
 */
#define SLEDSTORE_OPEN_READ_ONLY 32

/**
 * For the flags of sledstore_open_keyspace(): do not create the keyspace. If it is not there, the
 * call answers SLEDSTORE_NOT_FOUND.
 */
#define SLEDSTORE_KEYSPACE_MUST_EXIST 1

/**
 * For sledstore_open_options.flush_every_ms: never flush by itself.
 */
#define SLEDSTORE_FLUSH_NEVER 4294967295

/**
 * For sledstore_open_options.mode: rather use little disk space than be fast. The engine of
 * this version accepts a mode and acts the same in both.
 */
#define SLEDSTORE_MODE_LOW_SPACE 1

/**
 * For sledstore_open_options.mode: rather be fast than use little disk space. See
 * SLEDSTORE_MODE_LOW_SPACE.
 */
#define SLEDSTORE_MODE_HIGH_THROUGHPUT 2

/**
 * For sledstore_open_options.durability, sledstore_batch_apply() and sledstore_txn_commit(): a write
 * returns when the operating system has it. It survives the end of the process, however that ends,
 * and a power cut once it was synced: see sledstore_open_options.flush_every_ms.
 */
#define SLEDSTORE_DURABILITY_BUFFERED 1

/**
 * For sledstore_open_options.durability, sledstore_batch_apply() and sledstore_txn_commit(): a write
 * returns when it is on the disk, and survives a power cut. Threads that write at the same time share
 * one sync.
 */
#define SLEDSTORE_DURABILITY_SYNCED 2

/**
 * For sledstore_iter_options.flags: do not show the key that equals lower.
 */
#define SLEDSTORE_ITER_LOWER_EXCLUSIVE 1

/**
 * For sledstore_iter_options.flags: show the key that equals upper.
 */
#define SLEDSTORE_ITER_UPPER_INCLUSIVE 2

/**
 * For sledstore_iter_options.flags: show keys only; all values have length 0.
 */
#define SLEDSTORE_ITER_KEYS_ONLY 4

/**
 * For sledstore_merge_operator.merge: the value is what was written to the sink; nothing written is
 * an empty value.
 */
#define SLEDSTORE_MERGE_KEEP 0

/**
 * For sledstore_merge_operator.merge: delete the key, whatever was written to the sink.
 */
#define SLEDSTORE_MERGE_DELETE 1

/**
 * For sledstore_merge_operator.merge: the merge fails with SLEDSTORE_MERGE_FAILED, and the key stays
 * as it was.
 */
#define SLEDSTORE_MERGE_FAIL -1

/**
 * For sledstore_set_builtin_merge(): the value, the separator, the operand. The type is
 * SLEDSTORE_MERGE_BYTES.
 */
#define SLEDSTORE_MERGE_APPEND 1

/**
 * For sledstore_set_builtin_merge(): the sum, or the nearest number that there is. The type is one of
 * the integers.
 */
#define SLEDSTORE_MERGE_ADD_SATURATING 2

/**
 * For sledstore_set_builtin_merge(): the sum; past the largest number it goes on with the smallest, and
 * the other way round. The type is one of the integers.
 */
#define SLEDSTORE_MERGE_ADD_WRAPPING 3

/**
 * For sledstore_set_builtin_merge(): the smaller one. The type is any.
 */
#define SLEDSTORE_MERGE_MIN 4

/**
 * For sledstore_set_builtin_merge(): the larger one. The type is any.
 */
#define SLEDSTORE_MERGE_MAX 5

/**
 * For sledstore_set_builtin_merge(): each bit that is set in one of the two, which must have the same
 * length. The type is SLEDSTORE_MERGE_BYTES.
 */
#define SLEDSTORE_MERGE_OR 6

/**
 * For sledstore_set_builtin_merge(): bytes, in the order of keys.
 */
#define SLEDSTORE_MERGE_BYTES 0

/**
 * For sledstore_set_builtin_merge(): 8 bytes, an unsigned integer, little-endian.
 */
#define SLEDSTORE_MERGE_U64_LE 1

/**
 * For sledstore_set_builtin_merge(): 8 bytes, an unsigned integer, big-endian.
 */
#define SLEDSTORE_MERGE_U64_BE 2

/**
 * For sledstore_set_builtin_merge(): 8 bytes, a signed integer (two's complement), little-endian.
 */
#define SLEDSTORE_MERGE_I64_LE 3

/**
 * For sledstore_set_builtin_merge(): 8 bytes, a signed integer (two's complement), big-endian.
 */
#define SLEDSTORE_MERGE_I64_BE 4

/**
 * For sledstore_event.kind: the key was absent, and has a value now.
 */
#define SLEDSTORE_EVENT_INSERT 1

/**
 * For sledstore_event.kind: the key was there. Its value or its expiry was written, which may be the
 * same as before.
 */
#define SLEDSTORE_EVENT_UPDATE 2

/**
 * For sledstore_event.kind: the key was there, and was removed by a writer.
 */
#define SLEDSTORE_EVENT_REMOVE 3

/**
 * For sledstore_event.kind: the key had expired, and its row is removed now, or written over.
 */
#define SLEDSTORE_EVENT_EXPIRE 4

/**
 * For sledstore_event.kind: the watch did not read in time, and lost events. All commits that concern
 * it after the event before this one are lost, up to and including sequence.
 */
#define SLEDSTORE_EVENT_LOST 5

/**
 * For sledstore_event.kind: all keys were removed from key up to, not including, value, or all that
 * follow where the value's data is NULL. The range may reach beyond the prefix of the watch, and there
 * need not have been any key in it; keys that it removes have no events of their own. The same commit
 * may have put keys there again: their events come after this one.
 */
#define SLEDSTORE_EVENT_REMOVE_RANGE 6

/**
 * For sledstore_watch_next(): wait as long as it takes.
 */
#define SLEDSTORE_WAIT_FOREVER 4294967295

/**
 * For sledstore_change.kind: a key was set, whether it was there or not.
 */
#define SLEDSTORE_CHANGE_PUT 1

/**
 * For sledstore_change.kind: a key was removed, which need not have been there.
 */
#define SLEDSTORE_CHANGE_REMOVE 2

/**
 * For sledstore_change.kind: a row that had expired was removed, or a key that was absent.
 */
#define SLEDSTORE_CHANGE_EXPIRE 3

/**
 * For sledstore_change.kind: the keyspace was dropped with everything in it.
 */
#define SLEDSTORE_CHANGE_DROP_KEYSPACE 4

/**
 * For sledstore_change.kind: all keys were removed from key up to, not including, value, or all that
 * follow where the value's data is NULL; also those that the commit has put before.
 */
#define SLEDSTORE_CHANGE_REMOVE_RANGE 5

/**
 * For sledstore_change.kind: the keyspace has the name in value from now on, with everything in it.
 */
#define SLEDSTORE_CHANGE_RENAME_KEYSPACE 6

/**
 * For sledstore_restore(): keep the rows that the store has, where the source has none of the same key.
 */
#define SLEDSTORE_RESTORE_MERGE 1

/**
 * For sledstore_dump(): the library's own format, with checksums and expiries. A stream of it that was
 * cut short or altered is refused.
 */
#define SLEDSTORE_DUMP_BINARY 1

/**
 * For sledstore_dump(): the text of db_dump and mdb_dump, format=bytevalue: keys and values are hexadecimal
 * digits. Each keyspace is a section, database= and its name; its expiries are another, database=__ttl__
 * for the default keyspace and database=__ttl__: and the name for others, with 8 bytes for each key that
 * expires, little endian, milliseconds since 1970. mdb_load takes keys of 1 to 511 bytes. db_load does not
 * know the lines mapsize=, which can be left out.
 */
#define SLEDSTORE_DUMP_BYTEVALUE 2

/**
 * For sledstore_dump(): the same with format=print, where printable characters stand for themselves.
 */
#define SLEDSTORE_DUMP_PRINT 3

/**
 * For sledstore_stats() and sledstore_stats_text(): count the keys too.
 */
#define SLEDSTORE_STATS_KEYS 1

/**
 * What a call answered.
 *
 * 0 is success. Positive values are outcomes that are no failure, such as "that key is not there".
 * Negative values are failures, so `if (status < 0)` finds exactly the failures.
 *
 * A value never changes its meaning. Later versions add values: treat an unknown negative value as
 * a failure and an unknown positive value as an outcome. Since 0.1.0.
 */
enum sledstore_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * Done.
   */
  SLEDSTORE_OK = 0,
  /**
   * The operating system reported an error; sledstore_error_os_code() has its number.
   */
  SLEDSTORE_IO = -1,
  /**
   * The files of the store are damaged, or are no store.
   */
  SLEDSTORE_CORRUPTION = -2,
  /**
   * Something other than a key was not found, such as the keyspace to drop.
   */
  SLEDSTORE_NOT_FOUND = 3,
  /**
   * What was to be created exists already.
   */
  SLEDSTORE_ALREADY_EXISTS = -4,
  /**
   * Another transaction wrote what this one had read; run it again.
   */
  SLEDSTORE_TXN_CONFLICT = -5,
  /**
   * The store is open for reading only.
   */
  SLEDSTORE_READ_ONLY = -6,
  /**
   * The disk did not answer in time. What was to be written may reach it or not.
   */
  SLEDSTORE_TIMEOUT = -7,
  /**
   * What a snapshot, an iterator or a transaction shows has ended: it took more than snapshot_memory.
   */
  SLEDSTORE_CAPACITY_EXCEEDED = -8,
  /**
   * The value was not the expected one; nothing was written.
   */
  SLEDSTORE_CAS_MISMATCH = 9,
  /**
   * That key is not there, or has expired.
   */
  SLEDSTORE_KEY_NOT_FOUND = 10,
  /**
   * This version cannot do that: a key or value over the limit, a flag that it does not know, a
   * feature that is not built in.
   */
  SLEDSTORE_UNSUPPORTED = -11,
  /**
   * Any other failure; the message says which.
   */
  SLEDSTORE_OTHER = -12,
  /**
   * An iterator has no further row in that direction.
   */
  SLEDSTORE_END = 100,
  /**
   * The key is there and never expires.
   */
  SLEDSTORE_NO_TTL = 101,
  /**
   * Nothing came within the time to wait.
   */
  SLEDSTORE_NO_EVENT = 102,
  /**
   * An argument is not allowed: a NULL that has to be something, a keyspace of another store.
   */
  SLEDSTORE_INVALID_ARGUMENT = -100,
  /**
   * This is no handle, or a handle of another type.
   */
  SLEDSTORE_WRONG_HANDLE = -101,
  /**
   * The handle was freed, or its store was closed.
   */
  SLEDSTORE_CLOSED = -102,
  /**
   * In use: by another thread, or (for a close) by what is still open on the store.
   */
  SLEDSTORE_BUSY = -103,
  /**
   * Not allowed from inside a callback of the same handle, or callbacks are nested too deeply.
   */
  SLEDSTORE_REENTRANT = -104,
  /**
   * The directory is open in another process, or through another store of this one.
   */
  SLEDSTORE_LOCKED = -105,
  /**
   * This process is the child of a fork(); the library cannot be used here.
   */
  SLEDSTORE_FORKED = -106,
  /**
   * A bug in the library was caught; the message names it.
   */
  SLEDSTORE_PANIC = -107,
  /**
   * The result does not fit; the needed size was written, and nothing else.
   */
  SLEDSTORE_BUFFER_TOO_SMALL = -108,
  /**
   * The disk, or the quota of this user, is full.
   */
  SLEDSTORE_DISK_FULL = -109,
  /**
   * The file system is mounted for reading only.
   */
  SLEDSTORE_READ_ONLY_FILESYSTEM = -110,
  /**
   * The keyspace was dropped, or one that the batch or the transaction names.
   */
  SLEDSTORE_KEYSPACE_DROPPED = -111,
  /**
   * The transaction was committed or rolled back; an iterator of it is still there.
   */
  SLEDSTORE_TXN_OVER = -112,
  /**
   * There are as many live handles as there can be: some are never freed.
   */
  SLEDSTORE_TOO_MANY_HANDLES = -113,
  /**
   * The log does not have that commit any more.
   */
  SLEDSTORE_TOO_OLD = -114,
  /**
   * The merge operator failed; the key is as it was.
   */
  SLEDSTORE_MERGE_FAILED = -115,
  /**
   * A callback of the caller's has asked for the end of the call.
   */
  SLEDSTORE_CANCELLED = -116,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum sledstore_status sledstore_status;
#else
typedef int32_t sledstore_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * A store, seen through one of its keyspaces.
 *
 * sledstore_open() gives a handle to the default keyspace; sledstore_open_keyspace() gives handles to
 * the others. Every function works on every one of them.
 *
 * Any number of threads may use one handle at once. The store is open until sledstore_close() is
 * called on any of its handles, or until the last of them was released and the last iterator,
 * snapshot and transaction is gone.
 * A batch that names a keyspace does not keep the store open. Since 0.1.0.
 */
typedef struct sledstore sledstore;

/**
 * A list of writes to be applied together: after sledstore_batch_apply() all of them are there, and
 * if it fails, or the process dies, none of them is. They may be in several keyspaces.
 *
 * A batch belongs to no store. It can be applied more than once, and be reused with
 * sledstore_batch_clear(). One thread may use it at a time; a second one is told SLEDSTORE_BUSY.
 * Since 0.1.0.
 */
typedef struct sledstore_batch sledstore_batch;

/**
 * Tells what was committed, from the log, in the order of the commits and over all keyspaces. So a
 * copy of the store, on another machine or in another form, catches up.
 *
 * The log has what the library has not written to its main file yet, and of what it has as much as
 * keep_log in sledstore_open_options says, also from before the store was opened. It tells less than a
 * sledstore_watch: what was written, and not what was there before. Commits that are not synced are
 * told too, and a power cut can take them, with their numbers: call sledstore_flush() before what is
 * read here is relied on elsewhere.
 *
 * A feed does not keep sledstore_close() from closing the store: it answers SLEDSTORE_CLOSED then. It
 * does keep a store open that was released. One thread may use it at a time; a second one is told
 * SLEDSTORE_BUSY. Since 0.1.0.
 */
typedef struct sledstore_changes sledstore_changes;

/**
 * What went wrong in one call.
 *
 * Functions that can fail take a `sledstore_error **error` as their last parameter. Give NULL, or
 * the address of a variable: it is set to NULL at the start of the call, and to an error that you
 * own if the call fails (status below 0). Outcomes above 0 never create an error.
 *
 * An error may outlive everything else. Any number of threads may read it at once. Free it with
 * sledstore_error_free(). Since 0.1.0.
 */
typedef struct sledstore_error sledstore_error;

/**
 * Moves over the rows of a keyspace, in the order of their keys, compared byte by byte.
 *
 * A new iterator stands outside of the rows: sledstore_iter_next() goes to the first one,
 * sledstore_iter_prev() to the last. Past either end a move answers SLEDSTORE_END, and stays
 * there: moving on answers SLEDSTORE_END again, turning round gives the row at that end. The
 * direction may change at any time. A seek that finds no row stands past the end in its direction.
 * However many rows there are, an iterator holds only a few of them in memory: 64, or 64 KiB and
 * one more, and those that sledstore_iter_next_batch() has put into the caller's array, until the
 * next move.
 *
 * It shows one moment: the keyspace as it was when the iterator was made, or, made by
 * sledstore_snapshot_iter_new() or sledstore_txn_iter_new(), what the snapshot or the transaction
 * shows. Writers go on meanwhile; see sledstore_snapshot for what that costs.
 *
 * After a failure each further move answers with the same failure, whatever else has happened, until
 * sledstore_iter_first(), sledstore_iter_last(), sledstore_iter_seek() or
 * sledstore_iter_seek_for_prev() begins anew.
 *
 * An open iterator keeps its store open: sledstore_close() answers SLEDSTORE_BUSY. One thread may
 * use it at a time; a second one is told SLEDSTORE_BUSY. Since 0.1.0.
 */
typedef struct sledstore_iter sledstore_iter;

/**
 * Where a merge operator writes the value. It is there for one call of the operator, and answers
 * SLEDSTORE_CLOSED afterwards. Since 0.1.0.
 */
typedef struct sledstore_sink sledstore_sink;

/**
 * All keyspaces of a store as they were at one moment: the one in which it was made.
 *
 * Making one copies nothing, and takes the same time for a store of any size. Writers go on, and do
 * not wait for it. While it lives, each key that is overwritten or deleted for the first time keeps
 * what it was in memory, until the last snapshot that needs it is freed; see
 * sledstore_snapshot_stats(), and snapshot_memory in sledstore_open_options, which bounds that.
 *
 * Of a batch or a transaction it shows all writes or none. Keys that had expired when it was made
 * are not in it; keys that expire later stay. A keyspace that is made later is empty in it, and
 * one that is dropped is gone from it: reads of it answer SLEDSTORE_KEYSPACE_DROPPED.
 *
 * A snapshot keeps its store open: sledstore_close() answers SLEDSTORE_BUSY. Any number of threads
 * may use it at once. Since 0.1.0.
 */
typedef struct sledstore_snapshot sledstore_snapshot;

/**
 * Reads and writes over all keyspaces of a store that happen as if at one moment.
 *
 * All reads show the store as it was when the transaction began, with what the transaction itself
 * has written since. Nobody else sees its writes before sledstore_txn_commit() makes them, all or
 * none, in memory, on disk, and across a crash. It is serializable: a commit answers
 * SLEDSTORE_TXN_CONFLICT and changes nothing if a key that was read, also one that was not there,
 * or a key in a stretch that an iterator went over, was changed since the transaction began. So a
 * transaction that commits might have run alone. A transaction that only writes has no conflicts,
 * and one that only reads always commits. Overwriting a key with the value that it has is a
 * change; that a key expires is none.
 *
 * Transactions lock nothing: any number may be open at once, and whoever commits first wins.
 * sledstore_txn_run() begins again after a conflict.
 *
 * A transaction keeps its store open: sledstore_close() answers SLEDSTORE_BUSY. One thread may use
 * it at a time; a second one is told SLEDSTORE_BUSY. Since 0.1.0.
 */
typedef struct sledstore_txn sledstore_txn;

/**
 * Bytes that the library gave out: a value, or a name. They never change.
 *
 * A value belongs to nothing: it stays valid when its key is overwritten or deleted and when its
 * store is closed, until it is freed with sledstore_value_free(). Any number of threads may read
 * it at once. Since 0.1.0.
 */
typedef struct sledstore_value sledstore_value;

/**
 * Tells of each change of the keys of one keyspace that start with a prefix.
 *
 * It tells of all commits that begin after it was made, in their order, whoever makes them: each write
 * of a key, batch, transaction, removal and expiry. The events of one commit come one after the other.
 * When an event comes, reads see the commit already. It need not be synced yet: a power cut can take
 * a commit that a watch has told of, unless it is SLEDSTORE_DURABILITY_SYNCED and its call has
 * returned.
 *
 * Several writes of a key in one commit are one event. A write that changes nothing but the expiry is
 * an update; the removal of an absent key is no event. A key that expires is absent from then on, and
 * the event comes when its row is removed: by a read that finds it, by sledstore_purge_expired(), or
 * by the next write of the key, which makes an event of its own after it.
 *
 * sledstore_delete_range() and sledstore_clear(), also in a batch or a transaction, are one event of the
 * kind SLEDSTORE_EVENT_REMOVE_RANGE, which every watch gets whose prefix can lie in the range.
 *
 * Writers never wait for a watch. Events that it has not read are kept up to the limits of
 * sledstore_watch_options; what goes beyond them is lost, which one event of the kind
 * SLEDSTORE_EVENT_LOST tells. While a watch keeps up, a writer reads each key that the watch wants
 * before it writes it.
 *
 * A watch does not keep its store open. When the store is closed, or its last handle released, and
 * when the keyspace is dropped or renamed, the watch ends: it tells of what had come before, and then answers
 * SLEDSTORE_CLOSED or SLEDSTORE_KEYSPACE_DROPPED. It still has to be freed then. One thread may read it
 * at a time; a second one is told SLEDSTORE_BUSY. Since 0.1.0.
 */
typedef struct sledstore_watch sledstore_watch;

/**
 * How to open a store. Start from SLEDSTORE_OPEN_OPTIONS_INIT and set what you need; zero always
 * means the default.
 *
 * struct_size is the size of the struct that the program was compiled with, which lets the library
 * tell old programs from new ones. Since 0.1.0.
 */
typedef struct sledstore_open_options {
  /**
   * sizeof(sledstore_open_options).
   */
  size_t struct_size;
  /**
   * SLEDSTORE_OPEN_ flags, combined with |.
   */
  uint64_t flags;
  /**
   * How many bytes of data to keep in memory; less than 1 MiB counts as 1 MiB. The library may
   * use two to three times that. 0: 1 GiB.
   */
  uint64_t cache_capacity;
  /**
   * The unit in bytes in which a new store takes space on disk: a power of two from 65536 to
   * 8388608. A store that exists keeps its own. 0: 8388608. With less than that, keys have to be
   * shorter: up to a 1300th of it, 403 bytes for 524288.
   */
  uint64_t segment_size;
  /**
   * How many bytes of memory the rows may take that are kept for snapshots, iterators and
   * transactions because they were overwritten or deleted. Past that the oldest of these ends: its
   * reads answer SLEDSTORE_CAPACITY_EXCEEDED. Writers never wait for it. 0: no bound.
   */
  uint64_t snapshot_memory;
  /**
   * How many bytes of recent writes to keep in memory before the library writes them into its main
   * file, all at once: from 65536 to 1073741824; less or more counts as that. A row takes 224 bytes
   * beside its key and its value.
   * Another part of that size can wait, so that writes take twice as much memory at most, and less
   * than that on the disk, for the log. Fewer are kept where writing them would take about a second,
   * so that closing takes two. Larger ones let longer bursts of writes go on at full speed.
   * 0: 33554432 (32 MiB).
   */
  uint64_t memtable_size;
  /**
   * How many bytes of the log to keep for sledstore_changes_since() when it is written to the main
   * file, also after the store was closed. The log is in files of 1 MiB at least, and about
   * memtable_size at most, unless one write is larger; so with less than that, it can happen that
   * nothing stays. An opening with less removes what is too much. 0: nothing.
   */
  uint64_t keep_log;
  /**
   * Sync what was written so many milliseconds later at the latest: a power cut takes no more than
   * that of the last writes. 0: 500. SLEDSTORE_FLUSH_NEVER: only when sledstore_flush() is called,
   * with a write of SLEDSTORE_DURABILITY_SYNCED, and when the store is closed.
   */
  uint32_t flush_every_ms;
  /**
   * How many milliseconds to wait for a directory that somebody else has open. 0: do not wait.
   */
  uint32_t lock_timeout_ms;
  /**
   * SLEDSTORE_MODE_LOW_SPACE or SLEDSTORE_MODE_HIGH_THROUGHPUT. 0:
   * SLEDSTORE_MODE_LOW_SPACE.
   */
  uint32_t mode;
  /**
   * What a write survives when its call returns: SLEDSTORE_DURABILITY_BUFFERED or
   * SLEDSTORE_DURABILITY_SYNCED. 0: SLEDSTORE_DURABILITY_BUFFERED.
   */
  uint32_t durability;
  /**
   * Remove what has expired from all keyspaces every so many milliseconds, in a thread of the library's.
   * What has expired is not there all the same; this gives its room back. It costs as much as
   * sledstore_purge_expired() for all keyspaces. 0: never.
   */
  uint64_t purge_every_ms;
} sledstore_open_options;

/**
 * Who is told of damaged places, for sledstore_verify() and sledstore_salvage_report(). Start from
 * SLEDSTORE_FINDING_CALLBACK_INIT. Since 0.1.0.
 */
typedef struct sledstore_finding_callback {
  /**
   * sizeof(sledstore_finding_callback).
   */
  size_t struct_size;
  /**
   * Whatever the functions need; the library only passes it on. May be NULL.
   */
  void *ctx;
  /**
   * Called once for each damaged place, in the order of the files: the absolute path of the file,
   * the byte in it at which the damaged part begins, and what is wrong there, in words. Both
   * strings end with a NUL and are gone when the function returns. It answers SLEDSTORE_OK to hear of
   * more; any other status ends the call, which then answers with it. It must return, and not throw or jump out.
   */
  int32_t (*finding)(void *ctx, const char *file, uint64_t offset, const char *what);
  /**
   * Called once with ctx before the call returns, whatever its status. May be NULL.
   */
  void (*destroy)(void *ctx);
} sledstore_finding_callback;

/**
 * Bytes that somebody else owns: a pointer and a length, in and out.
 *
 * As a parameter: data may be NULL if len is 0; the bytes are read during the call only. As a
 * result: data is never NULL, and the function that gives it says how long it is valid. No NUL
 * stands after the bytes. Since 0.1.0.
 */
typedef struct sledstore_bytes {
  /**
   * The first byte.
   */
  const void *data;
  /**
   * How many there are.
   */
  size_t len;
} sledstore_bytes;

/**
 * What a merge makes of a value and an operand, for sledstore_set_merge_operator(). Start from
 * SLEDSTORE_MERGE_OPERATOR_INIT. Since 0.1.0.
 */
typedef struct sledstore_merge_operator {
  /**
   * sizeof(sledstore_merge_operator).
   */
  size_t struct_size;
  /**
   * Whatever the functions need; the library only passes it on. May be NULL.
   */
  void *ctx;
  /**
   * Writes the new value of key to sink by sledstore_sink_write(), and answers with
   * SLEDSTORE_MERGE_KEEP, SLEDSTORE_MERGE_DELETE or SLEDSTORE_MERGE_FAIL. Any other number, such as
   * a status below 0, is like SLEDSTORE_MERGE_FAIL.
   *
   * old is the value that the key has, NULL if it is not there or has expired. key, old and operand
   * are valid until the function returns.
   *
   * It is called on the thread that merges, on several threads at once, and several times for one
   * merge if others write the key meanwhile. So it should do nothing but compute. Calls on a store,
   * or on what belongs to one, answer SLEDSTORE_REENTRANT inside of it, of whichever store. It must
   * return, and not throw or jump out: an exception of C++ that leaves it is undefined.
   */
  int32_t (*merge)(void *ctx,
                   const struct sledstore_bytes *key,
                   const struct sledstore_bytes *old,
                   const struct sledstore_bytes *operand,
                   struct sledstore_sink *sink);
  /**
   * Called once with ctx when the operator is not used any more: it could not be set, another one
   * was set, its keyspace was dropped or renamed, or its store was closed. May be NULL. It runs on the thread
   * that made the call which ended the use.
   */
  void (*destroy)(void *ctx);
} sledstore_merge_operator;

/**
 * A key and its value. Since 0.1.0.
 */
typedef struct sledstore_pair {
  /**
   * The key.
   */
  struct sledstore_bytes key;
  /**
   * The value.
   */
  struct sledstore_bytes value;
} sledstore_pair;

/**
 * Which rows an iterator shows: those that satisfy all of these. Start from
 * SLEDSTORE_ITER_OPTIONS_INIT and set what you need. The library copies the bytes during the call.
 *
 * data NULL means that there is no such limit. data not NULL with len 0 is the empty key. If
 * nothing satisfies all of them, the iterator is empty. Since 0.1.0.
 */
typedef struct sledstore_iter_options {
  /**
   * sizeof(sledstore_iter_options).
   */
  size_t struct_size;
  /**
   * SLEDSTORE_ITER_ flags, combined with |.
   */
  uint64_t flags;
  /**
   * The smallest key to show.
   */
  struct sledstore_bytes lower;
  /**
   * The key to stop before.
   */
  struct sledstore_bytes upper;
  /**
   * What all keys begin with.
   */
  struct sledstore_bytes prefix;
} sledstore_iter_options;

/**
 * The work of a transaction, for sledstore_txn_run(). Start from SLEDSTORE_TXN_CALLBACK_INIT. Since
 * 0.1.0.
 */
typedef struct sledstore_txn_callback {
  /**
   * sizeof(sledstore_txn_callback).
   */
  size_t struct_size;
  /**
   * Whatever the functions need; the library only passes it on. May be NULL.
   */
  void *ctx;
  /**
   * Does the work, with the transaction txn, and answers with a status: SLEDSTORE_OK to have it
   * committed, SLEDSTORE_TXN_CONFLICT to begin again, anything else to have it rolled back. It
   * may be called several times, so it should change nothing but the transaction. It must
   * return, and not throw or jump out.
   */
  int32_t (*run)(void *ctx, struct sledstore_txn *txn);
  /**
   * Called once with ctx before sledstore_txn_run() returns, whatever its status. May be NULL.
   */
  void (*destroy)(void *ctx);
} sledstore_txn_callback;

/**
 * How much of what it has not read a watch keeps. Start from SLEDSTORE_WATCH_OPTIONS_INIT and set what
 * you need; zero means the default.
 *
 * What goes beyond either of these is lost. A commit is kept or lost as a whole, and one that finds
 * nothing unread is kept however large it is. Since 0.1.0.
 */
typedef struct sledstore_watch_options {
  /**
   * sizeof(sledstore_watch_options).
   */
  size_t struct_size;
  /**
   * How many events. 0: 4096.
   */
  uint64_t max_events;
  /**
   * How many bytes of keys and values. 0: 16777216 (16 MiB).
   */
  uint64_t max_bytes;
} sledstore_watch_options;

/**
 * What happened to one key, by one commit. Since 0.1.0.
 */
typedef struct sledstore_event {
  /**
   * One of the SLEDSTORE_EVENT_ numbers. Later versions add some: skip what you do not know.
   */
  uint32_t kind;
  /**
   * 1 if this is the last event that the watch gets of this commit, else 0.
   */
  uint32_t ends_commit;
  /**
   * The number of the commit, see sledstore_sequence().
   */
  uint64_t sequence;
  /**
   * The key, or the lower end of a range; {NULL, 0} for SLEDSTORE_EVENT_LOST.
   */
  struct sledstore_bytes key;
  /**
   * The new value, for SLEDSTORE_EVENT_INSERT and SLEDSTORE_EVENT_UPDATE; the upper end, for
   * SLEDSTORE_EVENT_REMOVE_RANGE, if the range has one; else {NULL, 0}.
   */
  struct sledstore_bytes value;
  /**
   * When the new value expires, in milliseconds since 1970; 0: it does not.
   */
  uint64_t expires_at_ms;
  /**
   * For SLEDSTORE_EVENT_LOST, how many writes to watched keys are lost; else 0. A write that would
   * have made no event, the removal of an absent key, may count too.
   */
  uint64_t lost;
} sledstore_event;

/**
 * One write of a commit, as the log has it. Since 0.1.0.
 */
typedef struct sledstore_change {
  /**
   * One of the SLEDSTORE_CHANGE_ numbers. Later versions add some.
   */
  uint32_t kind;
  /**
   * 1 if this is the last change of its commit, else 0.
   */
  uint32_t ends_commit;
  /**
   * The number of the commit, see sledstore_sequence().
   */
  uint64_t sequence;
  /**
   * The name of the keyspace; for SLEDSTORE_CHANGE_RENAME_KEYSPACE the one that it had.
   */
  struct sledstore_bytes keyspace;
  /**
   * The key, or the lower end of a range; empty for SLEDSTORE_CHANGE_DROP_KEYSPACE and
   * SLEDSTORE_CHANGE_RENAME_KEYSPACE.
   */
  struct sledstore_bytes key;
  /**
   * The value, for SLEDSTORE_CHANGE_PUT; the upper end, for SLEDSTORE_CHANGE_REMOVE_RANGE, if the range
   * has one; the new name, for SLEDSTORE_CHANGE_RENAME_KEYSPACE; else {NULL, 0}.
   */
  struct sledstore_bytes value;
  /**
   * When the value expires, in milliseconds since 1970; 0: it does not.
   */
  uint64_t expires_at_ms;
} sledstore_change;

/**
 * How far a backup or a restore has come, over all keyspaces. First the rows are counted: the totals
 * grow, and nothing is done. Then they are copied. Since 0.1.0.
 */
typedef struct sledstore_progress {
  /**
   * sizeof(sledstore_progress) of the library, which may be newer than the program.
   */
  size_t struct_size;
  /**
   * Rows that were copied.
   */
  uint64_t rows_done;
  /**
   * Rows that there are to copy, as far as they were counted.
   */
  uint64_t rows_total;
  /**
   * Bytes of keys and values that were copied.
   */
  uint64_t bytes_done;
  /**
   * Bytes of keys and values that there are to copy, as far as they were counted.
   */
  uint64_t bytes_total;
} sledstore_progress;

/**
 * Who is told how far a call has come. Start from SLEDSTORE_PROGRESS_CALLBACK_INIT. Since 0.1.0.
 */
typedef struct sledstore_progress_callback {
  /**
   * sizeof(sledstore_progress_callback).
   */
  size_t struct_size;
  /**
   * Whatever the functions need; the library only passes it on. May be NULL.
   */
  void *ctx;
  /**
   * Called after every thousand rows or so. Answers 0 to go on, and anything else to end the call,
   * which then answers SLEDSTORE_CANCELLED. progress is valid until it returns. It must return, and
   * not throw or jump out. It may use the library, but cannot close or release the handle that the
   * call was given. If it forks and returns in the child too, the call answers SLEDSTORE_FORKED
   * there, and goes on in the parent.
   */
  int32_t (*progress)(void *ctx, const struct sledstore_progress *progress);
  /**
   * Called once with ctx before the call returns, whatever its status, unless that is
   * SLEDSTORE_FORKED or the struct itself is not valid. May be NULL.
   */
  void (*destroy)(void *ctx);
} sledstore_progress_callback;

/**
 * Where a dump goes. Start from SLEDSTORE_WRITE_CALLBACK_INIT. Since 0.1.0.
 */
typedef struct sledstore_write_callback {
  /**
   * sizeof(sledstore_write_callback).
   */
  size_t struct_size;
  /**
   * Whatever the functions need; the library only passes it on. May be NULL.
   */
  void *ctx;
  /**
   * Takes len bytes, all of them, which are valid until it returns. Answers 0 to go on, and anything
   * else to end the call, which then answers SLEDSTORE_CANCELLED. See sledstore_progress_callback for
   * what it may do.
   */
  int32_t (*write)(void *ctx, const void *data, size_t len);
  /**
   * As in sledstore_progress_callback. May be NULL.
   */
  void (*destroy)(void *ctx);
} sledstore_write_callback;

/**
 * Where a dump comes from. Start from SLEDSTORE_READ_CALLBACK_INIT. Since 0.1.0.
 */
typedef struct sledstore_read_callback {
  /**
   * sizeof(sledstore_read_callback).
   */
  size_t struct_size;
  /**
   * Whatever the functions need; the library only passes it on. May be NULL.
   */
  void *ctx;
  /**
   * Writes up to capacity bytes to buffer and answers with how many; 0 at the end. A negative number
   * ends the call, which then answers SLEDSTORE_CANCELLED. See sledstore_progress_callback for what it
   * may do.
   */
  int64_t (*read)(void *ctx, void *buffer, size_t capacity);
  /**
   * As in sledstore_progress_callback. May be NULL.
   */
  void (*destroy)(void *ctx);
} sledstore_read_callback;

/**
 * What a store has done since it was opened, and what it holds now: of all keyspaces together, but for
 * keys and expiring_keys. Start from SLEDSTORE_STATS_INIT. Since 0.1.0.
 */
typedef struct sledstore_stats_info {
  /**
   * sizeof(sledstore_stats_info), set by the caller. Members that the library does not have are 0.
   */
  size_t struct_size;
  /**
   * Keys in the keyspace of the handle, with SLEDSTORE_STATS_KEYS; otherwise 0.
   */
  uint64_t keys;
  /**
   * Those of them that expire, with SLEDSTORE_STATS_KEYS; otherwise 0.
   */
  uint64_t expiring_keys;
  /**
   * Keyspaces.
   */
  uint64_t keyspaces;
  /**
   * Bytes of the files, with those of the log that are reserved.
   */
  uint64_t bytes_on_disk;
  /**
   * Moments that are kept, by snapshots, transactions and iterators.
   */
  uint64_t moments;
  /**
   * Overwritten and deleted rows that are kept for them.
   */
  uint64_t versions;
  /**
   * The bytes of memory that those rows take, roughly.
   */
  uint64_t version_bytes;
  /**
   * Snapshots that are open.
   */
  uint64_t snapshots;
  /**
   * Transactions that were begun.
   */
  uint64_t transactions_begun;
  /**
   * Transactions that were committed, without those that only read.
   */
  uint64_t transactions_committed;
  /**
   * Commits of transactions that have met a conflict.
   */
  uint64_t transactions_conflicted;
  /**
   * Keys that were asked for one by one; rows of iterators do not count.
   */
  uint64_t gets;
  /**
   * Keys that were set, also by batches, transactions, swaps, changes of an expiry, and merges. A merge
   * that deletes its key counts as a deletion; all merges of one key in a batch count once.
   */
  uint64_t puts;
  /**
   * Keys that were deleted, without those that had expired. One that was not there counts too, where
   * the library did not have to look. A range that was deleted, and a keyspace that was cleared, counts
   * once, however many keys it had.
   */
  uint64_t deletes;
  /**
   * Syncs of what was written. Writers that wait at the same time share one.
   */
  uint64_t flushes;
  /**
   * How many microseconds those have taken together.
   */
  uint64_t flush_us;
  /**
   * How often recent writes were moved to the main file.
   */
  uint64_t checkpoints;
  /**
   * The sledstore_status of the first failure in the background, with which every write answers from
   * then on; 0: there was none. sledstore_stats_text() has it in words.
   */
  int64_t background_error;
} sledstore_stats_info;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Gives the name of a status, for example "SLEDSTORE_IO".
 *
 * @param status  any number.
 * @return        a string that is never NULL and lives as long as the program; do not free it.
 *                "SLEDSTORE_UNKNOWN_STATUS" for a number that this version does not know.
 *
 * Threads: any number at once; also in the child of a fork. Since 0.1.0.
 */
SLEDSTORE_API const char *sledstore_status_name(int32_t status);

/**
 * Says in a few words of English what a status means.
 *
 * What went wrong in one particular call is told by the error of that call; see
 * sledstore_error_message().
 *
 * @param status  any number.
 * @return        a string that is never NULL and lives as long as the program; do not free it.
 *                "unknown status" for a number that this version does not know.
 *
 * Threads: any number at once; also in the child of a fork. Since 0.1.0.
 */
SLEDSTORE_API const char *sledstore_status_message(int32_t status);

/**
 * Says whether the same may succeed when it is done again later, with nothing changed. For
 * SLEDSTORE_TXN_CONFLICT that is the transaction, from its beginning, and for all others the call.
 *
 * @param status  any number.
 * @return        true for SLEDSTORE_TXN_CONFLICT, SLEDSTORE_BUSY and SLEDSTORE_LOCKED; false for
 *                everything else.
 *
 * Threads: any number at once; also in the child of a fork. Since 0.1.0.
 */
SLEDSTORE_API bool sledstore_status_is_retryable(int32_t status);

/**
 * Says whether a status tells of a mistake in the calling program, to be mended in its source.
 *
 * @param status  any number.
 * @return        true for SLEDSTORE_INVALID_ARGUMENT, SLEDSTORE_WRONG_HANDLE, SLEDSTORE_CLOSED,
 *                SLEDSTORE_KEYSPACE_DROPPED, SLEDSTORE_TXN_OVER, SLEDSTORE_REENTRANT and
 *                SLEDSTORE_FORKED; false for everything else.
 *
 * Threads: any number at once; also in the child of a fork. Since 0.1.0.
 */
SLEDSTORE_API bool sledstore_status_is_misuse(int32_t status);

/**
 * Gives the status that the failed call returned.
 *
 * @param error  the error, or NULL.
 * @return       that status, which is below 0; SLEDSTORE_OK for NULL; SLEDSTORE_CLOSED for an
 *               error that was freed; SLEDSTORE_WRONG_HANDLE for anything else that is no error;
 *               SLEDSTORE_FORKED in the child of a fork.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API sledstore_status sledstore_error_status(const struct sledstore_error *error);

/**
 * Says what went wrong: English text in UTF-8, with the path or the argument that it is about. The
 * wording may change between versions; programs decide by the status.
 *
 * @param error  the error, or NULL.
 * @return       a NUL-terminated string that is valid until the error is freed; do not free it.
 *               Never NULL: "" for NULL and for anything that is no live error; in the child of a
 *               fork for all errors but those of calls that were made there.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API const char *sledstore_error_message(const struct sledstore_error *error);

/**
 * Gives the error number of the operating system (errno) behind a failure.
 *
 * @param error  the error, or NULL.
 * @return       that number; 0 if the operating system had no part in the failure, for NULL, for
 *               anything that is no live error, and in the child of a fork.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API int32_t sledstore_error_os_code(const struct sledstore_error *error);

/**
 * Frees an error. Its message is gone with it.
 *
 * @param error  the error; NULL does nothing.
 *
 * Statuses: SLEDSTORE_OK, also for NULL; SLEDSTORE_CLOSED: it was freed before;
 * SLEDSTORE_WRONG_HANDLE; SLEDSTORE_FORKED: it is one of the parent's; SLEDSTORE_PANIC.
 *
 * Threads: any. No other thread may be reading the message any more. Since 0.1.0.
 */
SLEDSTORE_API sledstore_status sledstore_error_free(struct sledstore_error *error);

/**
 * Gives the address of a value's bytes. There is no NUL after them.
 *
 * @param value  the value.
 * @return       the address of the first byte, valid until the value is freed; never NULL for a
 *               live value, even if it is empty. NULL for NULL, for anything that is no live
 *               value, and in the child of a fork.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API const void *sledstore_value_data(const struct sledstore_value *value);

/**
 * Gives the length of a value in bytes.
 *
 * @param value  the value.
 * @return       its length; 0 for NULL, for anything that is no live value, and in the child of a
 *               fork.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API size_t sledstore_value_len(const struct sledstore_value *value);

/**
 * Frees a value. Its bytes are gone with it.
 *
 * @param value  the value; NULL does nothing.
 *
 * Statuses: SLEDSTORE_OK, also for NULL; SLEDSTORE_CLOSED: it was freed before;
 * SLEDSTORE_WRONG_HANDLE; SLEDSTORE_FORKED; SLEDSTORE_PANIC.
 *
 * Threads: any. No other thread may be reading the bytes any more. Since 0.1.0.
 */
SLEDSTORE_API sledstore_status sledstore_value_free(struct sledstore_value *value);

/**
 * Gives the version of the library that is running, such as "0.1.0". Compare it with
 * SLEDSTORE_VERSION_STRING, the version of the header that the program was compiled with.
 *
 * @return  a string that is never NULL and lives as long as the program; do not free it.
 *
 * Threads: any number at once; also in the child of a fork. Since 0.1.0.
 */
SLEDSTORE_API const char *sledstore_version(void);

/**
 * Gives the version of the library that is running as one number: major * 1000000 + minor * 1000
 * + patch, as in SLEDSTORE_VERSION_NUMBER. A later version has a larger number.
 *
 * @return  that number.
 *
 * Threads: any number at once; also in the child of a fork. Since 0.1.0.
 */
SLEDSTORE_API uint32_t sledstore_version_number(void);

/**
 * Describes this build for a bug report: version, engine, target and kind of build. For people,
 * not for programs: the wording may change.
 *
 * @return  a string that is never NULL and lives as long as the program; do not free it.
 *
 * Threads: any number at once; also in the child of a fork. Since 0.1.0.
 */
SLEDSTORE_API const char *sledstore_build_info(void);

/**
 * Says whether this build has a feature.
 *
 * @param name  its name: "batch", "compression", "iterators", "keyspaces",
 *              "snapshots", "transactions", "ttl" or "watches".
 * @return      true if it is there; false if it is not, for an unknown name and for NULL.
 *
 * Threads: any number at once; also in the child of a fork. Since 0.1.0.
 */
SLEDSTORE_API bool sledstore_has_feature(const char *name);

/**
 * Counts the handles that exist: created, and not yet freed, released or closed. For tests: tools
 * that look for leaks cannot see a handle that was forgotten.
 *
 * @param kind   one of the SLEDSTORE_KIND_ numbers, or 0 for all of them together.
 * @param count  receives the number; 0 on failure. It is exact while no other thread creates or
 *               frees a handle.
 * @param error  see sledstore_error; may be NULL. The error that this call itself creates is not
 *               counted.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_UNSUPPORTED: this version does not know the kind;
 * SLEDSTORE_INVALID_ARGUMENT: count is NULL; SLEDSTORE_FORKED; SLEDSTORE_PANIC.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_live_handles(int32_t kind,
                                        size_t *count,
                                        struct sledstore_error **error);

/**
 * Opens the store in a directory, and creates it with all its parent directories if it is not
 * there.
 *
 * One directory is open once at a time, in one process.
 *
 * @param path     the directory: the bytes of a file system path with a NUL at the end, not
 *                 necessarily UTF-8. It is copied.
 * @param options  see sledstore_open_options; NULL: all defaults.
 * @param store    receives a handle to the default keyspace, to be given to sledstore_close() or
 *                 sledstore_release(); NULL on failure.
 * @param error    see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_LOCKED: the directory is open elsewhere, and stayed so for
 * lock_timeout_ms; SLEDSTORE_ALREADY_EXISTS: there is a store, with SLEDSTORE_OPEN_MUST_CREATE, or
 * anything, with SLEDSTORE_OPEN_TEMPORARY; SLEDSTORE_INVALID_ARGUMENT: path or store is NULL, path
 * is empty, or an option is wrong; SLEDSTORE_UNSUPPORTED: an option that this build does not have,
 * or a segment_size that is not allowed; SLEDSTORE_TOO_MANY_HANDLES: too many live handles;
 * SLEDSTORE_FORKED; SLEDSTORE_PANIC; the engine statuses, among them SLEDSTORE_IO with ENOENT for
 * SLEDSTORE_OPEN_TEMPORARY, with ENOTDIR if path is a file, and with ENAMETOOLONG if the absolute
 * path has more than 4,053 bytes.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_open(const char *path,
                                const struct sledstore_open_options *options,
                                struct sledstore **store,
                                struct sledstore_error **error);

/**
 * Opens a new, empty store in a directory of its own below the system's directory for temporary
 * files (the environment variable TMPDIR, or /tmp). Closing the store removes it.
 *
 * @param options  see sledstore_open_options; NULL: all defaults. SLEDSTORE_OPEN_MUST_EXIST and
 *                 SLEDSTORE_OPEN_READ_ONLY are not allowed.
 * @param store    receives a handle to the default keyspace, to be given to sledstore_close() or
 *                 sledstore_release(); NULL on failure.
 * @param error    see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: store is NULL, or an option makes no sense;
 * SLEDSTORE_UNSUPPORTED: an option that this build does not have, or a segment_size that is not
 * allowed; SLEDSTORE_TOO_MANY_HANDLES: too many live handles; SLEDSTORE_FORKED; SLEDSTORE_PANIC;
 * the engine statuses.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_open_temporary(const struct sledstore_open_options *options,
                                          struct sledstore **store,
                                          struct sledstore_error **error);

/**
 * Closes a store: whatever was written is flushed, every handle of the store ends, and the
 * directory can be opened again, by anybody, when the call returns.
 *
 * The handles of all keyspaces of the store end with it. They must not be released afterwards;
 * any call on them answers SLEDSTORE_CLOSED. Values and batches stay valid, but a batch that names a
 * keyspace of this store can no longer be applied.
 *
 * Calls that other threads are in are waited for, 10 seconds at most; calls that begin meanwhile
 * answer SLEDSTORE_CLOSED. After SLEDSTORE_BUSY the store is open and usable as before. After
 * SLEDSTORE_IO or another engine status it is closed all the same if the handle then answers
 * SLEDSTORE_CLOSED; what was not flushed may be lost.
 *
 * @param store  any handle of the store; NULL does nothing.
 * @param error  see sledstore_error; may be NULL. After SLEDSTORE_BUSY its message says how many
 *               iterators, snapshots and transactions are open, or how many threads are in calls.
 *
 * Statuses: SLEDSTORE_OK, also for NULL; SLEDSTORE_BUSY: iterators, snapshots or transactions are open, or calls
 * of other threads did not come back; SLEDSTORE_REENTRANT: this thread is inside a call on the
 * store, that is, in a callback; SLEDSTORE_CLOSED: it was closed before, or another thread is
 * closing it; the handle statuses; the engine statuses.
 *
 * Threads: any. If two close the same store at once, one does it and the other is refused. Since
 * 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_close(struct sledstore *store,
                                 struct sledstore_error **error);

/**
 * Gives one handle up. The store is closed when its last handle was given up and its last
 * iterator, snapshot and transaction is gone, whichever comes last; that last call then returns
 * when the directory can be opened again.
 *
 * This is for hosts that free things in any order, such as garbage collectors. It cannot tell
 * whether the last flush succeeded; sledstore_close() can.
 *
 * @param store  the handle; it is gone after SLEDSTORE_OK. NULL does nothing.
 * @param error  see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK, also for NULL; SLEDSTORE_REENTRANT: this thread is inside a call on this handle, that
 * is, in a callback; the handle statuses.
 *
 * Threads: any. A call of another thread on the same handle comes to its end undisturbed, and the
 * handle is given up after it. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_release(struct sledstore *store,
                                   struct sledstore_error **error);

/**
 * Opens a keyspace of the store, and creates it if it is not there. Keyspaces are separate: the
 * same key can have a value in each of them.
 *
 * @param store     any handle of the store.
 * @param name      the name: 1 to 255 bytes that do not start with two underscores. "default" is
 *                  the keyspace that sledstore_open() gives.
 * @param name_len  its length in bytes.
 * @param flags     SLEDSTORE_KEYSPACE_MUST_EXIST: do not create it; 0: create it.
 * @param keyspace  receives a handle of its own, to be given to sledstore_release(), or to end
 *                  when the store is closed; NULL unless SLEDSTORE_OK.
 * @param error     see sledstore_error; may be NULL.
 *
 * A store has room for a bounded number of keyspaces: 29,000 with names of 10 bytes or 2,500 with
 * names of 255, where segments have 8 MiB as they have by default; smaller segments have room for
 * as much less as they are smaller. A keyspace that is there always opens; dropping one makes room.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_NOT_FOUND: it is not there, with
 * SLEDSTORE_KEYSPACE_MUST_EXIST; SLEDSTORE_UNSUPPORTED: a name that is not allowed, one keyspace too
 * many, or a flag that this version does not know; SLEDSTORE_INVALID_ARGUMENT: keyspace is NULL, or name is NULL and name_len is not 0;
 * SLEDSTORE_TOO_MANY_HANDLES: too many live handles; the handle statuses; the engine statuses.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_open_keyspace(const struct sledstore *store,
                                         const void *name,
                                         size_t name_len,
                                         uint64_t flags,
                                         struct sledstore **keyspace,
                                         struct sledstore_error **error);

/**
 * Removes a keyspace with everything in it. From then on its handles answer
 * SLEDSTORE_KEYSPACE_DROPPED to everything that concerns its keys, also when a keyspace of the same name is created again; what
 * concerns the whole store, such as a flush, they still do, and they still have to be released. Its
 * iterators answer SLEDSTORE_KEYSPACE_DROPPED too, and still have to be freed.
 *
 * @param store     any handle of the store.
 * @param name      the name of the keyspace to remove.
 * @param name_len  its length in bytes.
 * @param error     see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_NOT_FOUND: there is no such keyspace; SLEDSTORE_UNSUPPORTED:
 * it is the default keyspace, or a name that is not allowed; SLEDSTORE_INVALID_ARGUMENT: name is
 * NULL and name_len is not 0; the handle statuses; the engine statuses.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_drop_keyspace(const struct sledstore *store,
                                         const void *name,
                                         size_t name_len,
                                         struct sledstore_error **error);

/**
 * Gives the names of all keyspaces, in the order of their bytes, "default" among them.
 *
 * To learn how many there are, call it with names NULL and capacity 0: it sets count, and gives no
 * name.
 *
 * @param store     any handle of the store.
 * @param names     an array for the names. Each of the first count entries receives a value, to be
 *                  freed with sledstore_value_free(); all entries are NULL on failure. May be NULL
 *                  if capacity is 0.
 * @param capacity  how many entries the array has.
 * @param count     receives the number of keyspaces, also with SLEDSTORE_BUFFER_TOO_SMALL; 0 on
 *                  any other failure.
 * @param error     see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_BUFFER_TOO_SMALL: capacity is less than count, and no name was
 * given; SLEDSTORE_INVALID_ARGUMENT: count is NULL, or names is NULL and capacity is not 0;
 * SLEDSTORE_TOO_MANY_HANDLES: too many live handles; the handle statuses; the engine statuses.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_keyspace_names(const struct sledstore *store,
                                          struct sledstore_value **names,
                                          size_t capacity,
                                          size_t *count,
                                          struct sledstore_error **error);

/**
 * Gives a keyspace another name, with all its rows and their expiries, at one moment, for a crash
 * too. To its handles, iterators, snapshots and transactions the keyspace of the old name is dropped,
 * see sledstore_drop_keyspace(): open the new one.
 *
 * The rows are copied, so it takes as long as writing all of them, and as much more room on the disk
 * until it is done. Other keyspaces can be read and written meanwhile.
 *
 * @param store    any handle of the store.
 * @param old      the name of the keyspace.
 * @param old_len  its length in bytes.
 * @param name     the new name, as in sledstore_open_keyspace().
 * @param name_len its length in bytes.
 * @param error    see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_NOT_FOUND: there is no keyspace of the old name;
 * SLEDSTORE_ALREADY_EXISTS: there is one of the new name; SLEDSTORE_UNSUPPORTED: the old one is the
 * default keyspace, a name is not allowed, or there would be one keyspace too many while it is copied;
 * SLEDSTORE_INVALID_ARGUMENT: old or name is NULL and its length is not 0; the handle statuses; the
 * engine statuses. After a failure nothing has changed, unless it is one of the disk: then the
 * keyspace may have either name when the store is opened again.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_rename_keyspace(const struct sledstore *store,
                                           const void *old,
                                           size_t old_len,
                                           const void *name,
                                           size_t name_len,
                                           struct sledstore_error **error);

/**
 * Writes out what was written to the store until now, in all its keyspaces, and syncs it. After
 * SLEDSTORE_OK it survives the death of this process and a loss of power.
 *
 * Without this call the library does the same by itself every 500 milliseconds, or as
 * sledstore_open_options.flush_every_ms says, and when the store is closed.
 *
 * @param store  any handle of the store.
 * @param error  see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; the handle statuses; the engine statuses.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_flush(const struct sledstore *store,
                                 struct sledstore_error **error);

/**
 * Does the same as sledstore_flush(), which returns when the operating system has confirmed the
 * writes anyway. For programs that are ported from other stores.
 *
 * @param store  any handle of the store.
 * @param error  see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; the handle statuses; the engine statuses.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_flush_sync(const struct sledstore *store,
                                      struct sledstore_error **error);

/**
 * Does the same as sledstore_flush() in this version: the engine reuses by itself the space of what
 * was deleted or overwritten. Little of it goes back to the file system.
 *
 * @param store  any handle of the store.
 * @param error  see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; the handle statuses; the engine statuses.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_compact(const struct sledstore *store,
                                   struct sledstore_error **error);

/**
 * Tells how much space the files of the store take up, all keyspaces together.
 *
 * @param store  any handle of the store.
 * @param bytes  receives the size in bytes; 0 on failure.
 * @param error  see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: bytes is NULL; the handle statuses; the
 * engine statuses.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_size_on_disk(const struct sledstore *store,
                                        uint64_t *bytes,
                                        struct sledstore_error **error);

/**
 * Counts the keys of a keyspace, exactly; expired keys are not there. The first count after opening
 * walks through all keys, later ones do not.
 *
 * @param store  a handle of the keyspace.
 * @param count  receives the number of keys; 0 on failure.
 * @param error  see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: count is NULL; the handle statuses; the
 * engine statuses.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_count(const struct sledstore *store,
                                 uint64_t *count,
                                 struct sledstore_error **error);

/**
 * Reads everything that the store has on the disk, compares all checksums, reads every row with its
 * expiry and all parts of its value, and tells each damaged place. It changes nothing, and writers go on.
 * It takes the time to read the files once, and the rows once. Of a row that cannot be read, the
 * finding names no byte: its offset is 0.
 *
 * What an opening has to read is checked by it: a store that is damaged there does not open, and
 * sledstore_open() answers SLEDSTORE_CORRUPTION, with the first place in its message. To hear of all
 * places, open it with SLEDSTORE_OPEN_SALVAGE and ask sledstore_salvage_report().
 *
 * @param store     any handle of the store.
 * @param callback  see sledstore_finding_callback; the struct is copied. NULL: the status is enough.
 *                  destroy is called once, unless the status is SLEDSTORE_FORKED or the struct itself
 *                  is not valid.
 * @param error     see sledstore_error; may be NULL. After SLEDSTORE_CORRUPTION its message has the
 *                  number of damaged places and the first of them.
 *
 * Statuses: SLEDSTORE_OK: all of it is whole; SLEDSTORE_CORRUPTION: something is damaged, and the
 * callback was called; whatever else the callback answered, and SLEDSTORE_OTHER for a number that is no
 * status; SLEDSTORE_INVALID_ARGUMENT: struct_size is wrong; SLEDSTORE_UNSUPPORTED: a member that
 * this version does not have; the handle statuses; the engine statuses.
 *
 * Threads: any number at once. The callback is called on the calling thread, which holds nothing of
 * the store meanwhile. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_verify(const struct sledstore *store,
                                  const struct sledstore_finding_callback *callback,
                                  struct sledstore_error **error);

/**
 * Tells what was damaged, and how many commits were lost, when the store was opened with
 * SLEDSTORE_OPEN_SALVAGE. A store that was whole, or was opened without that flag, has no findings and
 * no losses.
 *
 * Each put, delete, batch, transaction and so on is one commit. What is lost behind the end of a log,
 * or of what was settled already, cannot be counted: the findings tell that something was there.
 *
 * @param store         any handle of the store.
 * @param callback      see sledstore_finding_callback; the struct is copied. NULL: the number is
 *                      enough. destroy is called once, unless the status is SLEDSTORE_FORKED or the struct
 *                      itself is not valid.
 * @param lost_commits  receives the number of commits that are known to be missing; 0 on failure. May
 *                      be NULL.
 * @param error         see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK, whatever was lost; whatever else the callback answered, and SLEDSTORE_OTHER
 * for a number that is no status; SLEDSTORE_INVALID_ARGUMENT: struct_size is wrong;
 * SLEDSTORE_UNSUPPORTED: a member that this version does not have; the handle statuses.
 *
 * Threads: any number at once. The callback is called on the calling thread, which holds nothing of
 * the store meanwhile. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_salvage_report(const struct sledstore *store,
                                          const struct sledstore_finding_callback *callback,
                                          uint64_t *lost_commits,
                                          struct sledstore_error **error);

/**
 * Reads the value of a key, without copying it.
 *
 * @param store    a handle of the keyspace.
 * @param key      the key.
 * @param key_len  its length in bytes; 0 is a key like any other.
 * @param value    receives the value, to be freed with sledstore_value_free(); NULL unless
 *                 SLEDSTORE_OK. An empty value is a value: SLEDSTORE_OK, with length 0.
 * @param error    see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_KEY_NOT_FOUND: the key is not there, or has expired;
 * SLEDSTORE_INVALID_ARGUMENT: value is NULL, or key is NULL and key_len is not 0;
 * SLEDSTORE_TOO_MANY_HANDLES: too many live handles; the handle statuses; the engine statuses.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_get(const struct sledstore *store,
                               const void *key,
                               size_t key_len,
                               struct sledstore_value **value,
                               struct sledstore_error **error);

/**
 * Reads the value of a key into a buffer of the caller's. Creates nothing that has to be freed.
 *
 * To learn the length only, call it with dst NULL and capacity 0.
 *
 * @param store     a handle of the keyspace.
 * @param key       the key.
 * @param key_len   its length in bytes.
 * @param dst       the buffer. The whole value is written to it, or nothing; no NUL is added. May
 *                  be NULL if capacity is 0.
 * @param capacity  how many bytes the buffer has.
 * @param needed    receives the length of the value, also with SLEDSTORE_BUFFER_TOO_SMALL; 0 on
 *                  everything else.
 * @param error     see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_KEY_NOT_FOUND: the key is not there, or has expired;
 * SLEDSTORE_BUFFER_TOO_SMALL: there is a buffer, and it is too small; SLEDSTORE_INVALID_ARGUMENT: needed is
 * NULL, or dst is NULL and capacity is not 0, or key is NULL and key_len is not 0; the handle
 * statuses; the engine statuses.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_get_into(const struct sledstore *store,
                                    const void *key,
                                    size_t key_len,
                                    void *dst,
                                    size_t capacity,
                                    size_t *needed,
                                    struct sledstore_error **error);

/**
 * Reads the values of several keys. Each key is read by itself: a write that happens at the same
 * time may be seen for one key and not for another.
 *
 * @param store   a handle of the keyspace.
 * @param keys    the keys. May be NULL if count is 0.
 * @param count   how many there are.
 * @param values  an array of count entries. Each receives the value of the key in the same place,
 *                to be freed with sledstore_value_free(), or NULL if the key is not there; all are
 *                NULL on failure. May be NULL if count is 0.
 * @param error   see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK, also if keys are not there; SLEDSTORE_INVALID_ARGUMENT: keys or values
 * is NULL and count is not 0, or a key has data NULL and a length; SLEDSTORE_TOO_MANY_HANDLES: too
 * many live handles; the handle statuses; the engine statuses.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_get_many(const struct sledstore *store,
                                    const struct sledstore_bytes *keys,
                                    size_t count,
                                    struct sledstore_value **values,
                                    struct sledstore_error **error);

/**
 * Says whether a key is there, without reading its value.
 *
 * @param store    a handle of the keyspace.
 * @param key      the key.
 * @param key_len  its length in bytes.
 * @param error    see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK: it is there; SLEDSTORE_KEY_NOT_FOUND: it is not there, or has expired;
 * SLEDSTORE_INVALID_ARGUMENT: key is NULL and key_len is not 0; the handle statuses; the engine
 * statuses.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_contains(const struct sledstore *store,
                                    const void *key,
                                    size_t key_len,
                                    struct sledstore_error **error);

/**
 * Writes the value of a key, whether the key was there or not. The key never expires from then on;
 * see sledstore_put_with_ttl() for one that does.
 *
 * @param store      a handle of the keyspace.
 * @param key        the key, up to 4096 bytes.
 * @param key_len    its length in bytes; 0 is a key like any other.
 * @param value      the value, up to 1073741824 bytes (1 GiB).
 * @param value_len  its length in bytes; 0 is a value like any other.
 * @param error      see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_UNSUPPORTED: the key or the value is too long;
 * SLEDSTORE_INVALID_ARGUMENT: key or value is NULL and its length is not 0; the handle statuses;
 * the engine statuses.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_put(const struct sledstore *store,
                               const void *key,
                               size_t key_len,
                               const void *value,
                               size_t value_len,
                               struct sledstore_error **error);

/**
 * Deletes a key. A key that is not there is no failure.
 *
 * @param store    a handle of the keyspace.
 * @param key      the key.
 * @param key_len  its length in bytes.
 * @param error    see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK: the key is not there now; SLEDSTORE_INVALID_ARGUMENT: key is NULL and
 * key_len is not 0; the handle statuses; the engine statuses.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_delete(const struct sledstore *store,
                                  const void *key,
                                  size_t key_len,
                                  struct sledstore_error **error);

/**
 * Writes or deletes a key if its value is what the caller expects, in one step: no other write can
 * come in between. A key that is written never expires from then on.
 *
 * @param store     a handle of the keyspace.
 * @param key       the key.
 * @param key_len   its length in bytes.
 * @param expected  the value that the key must have; NULL: the key must not be there. An expired
 *                  key is not there.
 * @param desired   the value to write; NULL: delete the key.
 * @param error     see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK: it was as expected, and is as desired now; SLEDSTORE_CAS_MISMATCH: it
 * was not, and nothing was changed; SLEDSTORE_UNSUPPORTED: the key or the value is too long;
 * SLEDSTORE_INVALID_ARGUMENT: key is NULL and key_len is not 0, or expected or desired points to
 * bytes with data NULL and a length; the handle statuses; the engine statuses.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_compare_and_swap(const struct sledstore *store,
                                            const void *key,
                                            size_t key_len,
                                            const struct sledstore_bytes *expected,
                                            const struct sledstore_bytes *desired,
                                            struct sledstore_error **error);

/**
 * Writes the value of a key that expires: from then on it is not there, for every function. Value
 * and time are written in one step.
 *
 * While the store is open its time goes on by itself, also while the system is suspended: setting
 * the wall clock of the system changes no remaining life. On disk the end of a life is a time of
 * the wall clock, and the next opening compares it with the wall clock of then. A clock that was
 * set forward between two openings ends lives early by as much, and one that was set back ends
 * them late.
 *
 * @param store      a handle of the keyspace.
 * @param key        the key, up to 4096 bytes.
 * @param key_len    its length in bytes.
 * @param value      the value, up to 1073741824 bytes (1 GiB).
 * @param value_len  its length in bytes.
 * @param ttl_ms     after how many milliseconds the key expires. 0: at once. A time too far in the
 *                   future to be counted means the last moment that can be.
 * @param error      see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_UNSUPPORTED: the key or the value is too long;
 * SLEDSTORE_INVALID_ARGUMENT: key or value is NULL and its length is not 0; the handle statuses;
 * the engine statuses.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_put_with_ttl(const struct sledstore *store,
                                        const void *key,
                                        size_t key_len,
                                        const void *value,
                                        size_t value_len,
                                        uint64_t ttl_ms,
                                        struct sledstore_error **error);

/**
 * Sets when a key expires, and leaves its value as it is.
 *
 * @param store    a handle of the keyspace.
 * @param key      the key.
 * @param key_len  its length in bytes.
 * @param ttl_ms   after how many milliseconds from now, as in sledstore_put_with_ttl().
 * @param error    see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_KEY_NOT_FOUND: the key is not there, or has expired;
 * SLEDSTORE_INVALID_ARGUMENT: key is NULL and key_len is not 0; the handle statuses; the engine
 * statuses.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_expire(const struct sledstore *store,
                                  const void *key,
                                  size_t key_len,
                                  uint64_t ttl_ms,
                                  struct sledstore_error **error);

/**
 * Reads a value and how long the key has still to live, as one write left them.
 *
 * @param store    a handle of the keyspace.
 * @param key      the key.
 * @param key_len  its length in bytes.
 * @param value    receives the value, to be freed with sledstore_value_free(); NULL unless
 *                 SLEDSTORE_OK or SLEDSTORE_NO_TTL.
 * @param ttl_ms   receives the milliseconds until the key expires, at least 1; 0 unless
 *                 SLEDSTORE_OK.
 * @param error    see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK: the key is there and will expire; SLEDSTORE_NO_TTL: it is there and
 * never expires; SLEDSTORE_KEY_NOT_FOUND: it is not there, or has expired;
 * SLEDSTORE_INVALID_ARGUMENT: value or ttl_ms is NULL, or key is NULL and key_len is not 0;
 * SLEDSTORE_TOO_MANY_HANDLES; the handle statuses; the engine statuses.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_get_with_ttl(const struct sledstore *store,
                                        const void *key,
                                        size_t key_len,
                                        struct sledstore_value **value,
                                        uint64_t *ttl_ms,
                                        struct sledstore_error **error);

/**
 * Tells how long a key has still to live.
 *
 * @param store    a handle of the keyspace.
 * @param key      the key.
 * @param key_len  its length in bytes.
 * @param ttl_ms   receives the milliseconds until the key expires, at least 1; 0 unless
 *                 SLEDSTORE_OK.
 * @param error    see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK: the key is there and will expire; SLEDSTORE_NO_TTL: it is there and
 * never expires; SLEDSTORE_KEY_NOT_FOUND: it is not there, or has expired;
 * SLEDSTORE_INVALID_ARGUMENT: ttl_ms is NULL, or key is NULL and key_len is not 0; the handle
 * statuses; the engine statuses.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_ttl(const struct sledstore *store,
                               const void *key,
                               size_t key_len,
                               uint64_t *ttl_ms,
                               struct sledstore_error **error);

/**
 * Makes a key stay: it never expires from then on.
 *
 * @param store    a handle of the keyspace.
 * @param key      the key.
 * @param key_len  its length in bytes.
 * @param error    see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK: it would have expired, and will not now; SLEDSTORE_NO_TTL: it would not
 * have expired anyway; SLEDSTORE_KEY_NOT_FOUND: it is not there, or has expired;
 * SLEDSTORE_INVALID_ARGUMENT: key is NULL and key_len is not 0; the handle statuses; the engine
 * statuses.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_persist(const struct sledstore *store,
                                   const void *key,
                                   size_t key_len,
                                   struct sledstore_error **error);

/**
 * Removes the expired keys of a keyspace from the files. They are not there for any function in
 * any case; this gives their space back.
 *
 * @param store    a handle of the keyspace.
 * @param removed  receives how many keys were removed; 0 on failure.
 * @param error    see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: removed is NULL; the handle statuses; the
 * engine statuses.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_purge_expired(const struct sledstore *store,
                                         uint64_t *removed,
                                         struct sledstore_error **error);

/**
 * Adds bytes to the value that a merge operator makes.
 *
 * @param sink   the sink that the operator was given.
 * @param data   the bytes. They are copied. May be NULL if len is 0.
 * @param len    how many there are.
 * @param error  see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_UNSUPPORTED: the value would have more than 1073741824 bytes (1
 * GiB), and nothing was added; SLEDSTORE_INVALID_ARGUMENT: data is NULL and len is not 0;
 * SLEDSTORE_BUSY: another thread is using the sink; SLEDSTORE_CLOSED: the operator has returned; the
 * handle statuses.
 *
 * Threads: one at a time for each sink. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_sink_write(struct sledstore_sink *sink,
                                      const void *data,
                                      size_t len,
                                      struct sledstore_error **error);

/**
 * Sets what a merge does in a keyspace: sledstore_merge(), sledstore_batch_merge() and
 * sledstore_txn_merge().
 *
 * A keyspace has one operator at a time, for all its handles, until the store is closed or another
 * one is set; merges that are under way then still use the one before. It is not stored: set it
 * after each opening.
 *
 * @param store           a handle of the keyspace.
 * @param merge_operator  see sledstore_merge_operator. The struct is copied. Its destroy is called
 *                        once, also if this call fails, unless the status is SLEDSTORE_FORKED or the
 *                        struct itself is not valid; if it succeeds, later.
 * @param error           see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: merge_operator or its function merge is NULL, or
 * struct_size is wrong; SLEDSTORE_UNSUPPORTED: a member that this version does not have;
 * SLEDSTORE_REENTRANT: this thread is inside a merge operator; the handle statuses.
 *
 * Threads: any number at once; the last one counts. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_set_merge_operator(const struct sledstore *store,
                                              const struct sledstore_merge_operator *merge_operator,
                                              struct sledstore_error **error);

/**
 * Sets what a merge does in a keyspace, as sledstore_set_merge_operator() does, to one of the
 * operators that the library brings.
 *
 * On a key that is not there, or has expired, each of them makes the operand the value. With one of
 * the integer types, a merge fails with SLEDSTORE_MERGE_FAILED where the value or the operand has not
 * 8 bytes, and so does SLEDSTORE_MERGE_OR where the two have not the same length; the key stays as it
 * was.
 *
 * @param store          a handle of the keyspace.
 * @param operation      SLEDSTORE_MERGE_APPEND, SLEDSTORE_MERGE_ADD_SATURATING,
 *                       SLEDSTORE_MERGE_ADD_WRAPPING, SLEDSTORE_MERGE_MIN, SLEDSTORE_MERGE_MAX or
 *                       SLEDSTORE_MERGE_OR.
 * @param type           what values and operands are: SLEDSTORE_MERGE_BYTES, SLEDSTORE_MERGE_U64_LE,
 *                       SLEDSTORE_MERGE_U64_BE, SLEDSTORE_MERGE_I64_LE or SLEDSTORE_MERGE_I64_BE.
 * @param separator      for SLEDSTORE_MERGE_APPEND, what to put between a value and the operand. It
 *                       is copied. May be NULL if separator_len is 0.
 * @param separator_len  its length in bytes; 0 for all other operations.
 * @param error          see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_UNSUPPORTED: this version does not know the operation or the type;
 * SLEDSTORE_INVALID_ARGUMENT: the type is none of that operation, which takes bytes or integers only,
 * or another operation than SLEDSTORE_MERGE_APPEND has a separator, or separator is NULL and
 * separator_len is not 0; SLEDSTORE_REENTRANT: this thread is inside a merge operator; the handle
 * statuses.
 *
 * Threads: as sledstore_set_merge_operator(). Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_set_builtin_merge(const struct sledstore *store,
                                             uint32_t operation,
                                             uint32_t type,
                                             const void *separator,
                                             size_t separator_len,
                                             struct sledstore_error **error);

/**
 * Makes a new value of the value of a key and an operand, by the operator of the keyspace, in one
 * step: no other write of the key comes in between.
 *
 * The key expires when it would have. One that has expired is not there for the operator, and what it
 * makes of that does not expire.
 *
 * @param store        a handle of the keyspace.
 * @param key          the key, up to 4096 bytes.
 * @param key_len      its length in bytes.
 * @param operand      the operand.
 * @param operand_len  its length in bytes; 0 is an operand like any other.
 * @param error        see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_MERGE_FAILED: the operator has failed, or could not be given a
 * sink because there are too many live handles; SLEDSTORE_UNSUPPORTED: the keyspace has no operator,
 * or the key or the new value is too long; SLEDSTORE_INVALID_ARGUMENT: key or operand is NULL and its
 * length is not 0; SLEDSTORE_REENTRANT: this thread is inside a merge operator; the handle statuses;
 * the engine statuses. After a failure the key is as it was, but for the engine statuses as with
 * sledstore_put().
 *
 * Threads: any number at once. A merge that was overtaken by others again and again makes other merges
 * of the store wait for it, for 50 milliseconds at most. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_merge(const struct sledstore *store,
                                 const void *key,
                                 size_t key_len,
                                 const void *operand,
                                 size_t operand_len,
                                 struct sledstore_error **error);

/**
 * Adds bytes to the value that a merge operator makes.
 *
 * @param sink   the sink that the operator was given.
 * @param data   the bytes. They are copied. May be NULL if len is 0.
 * @param len    how many there are.
 * @param error  see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_UNSUPPORTED: the value would have more than 1073741824 bytes (1
 * GiB), and nothing was added; SLEDSTORE_INVALID_ARGUMENT: data is NULL and len is not 0;
 * SLEDSTORE_BUSY: another thread is using the sink; SLEDSTORE_CLOSED: the operator has returned; the
 * handle statuses.
 *
 * Threads: one at a time for each sink. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_sink_write(struct sledstore_sink *sink,
                                      const void *data,
                                      size_t len,
                                      struct sledstore_error **error);

/**
 * Creates an empty batch.
 *
 * @param batch  receives the batch, to be freed with sledstore_batch_free(); NULL on failure.
 * @param error  see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: batch is NULL; SLEDSTORE_TOO_MANY_HANDLES:
 * too many live handles; SLEDSTORE_FORKED; SLEDSTORE_PANIC.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_batch_new(struct sledstore_batch **batch,
                                     struct sledstore_error **error);

/**
 * Adds a write to a batch, like sledstore_put(). Of several writes to one key the last one counts.
 *
 * @param batch      the batch.
 * @param keyspace   a handle of the keyspace to write to; NULL: the one that the batch is applied
 *                   to. The batch keeps hold of the keyspace: the handle may be released.
 * @param key        the key, up to 4096 bytes. It is copied.
 * @param key_len    its length in bytes.
 * @param value      the value, up to 1073741824 bytes (1 GiB). It is copied.
 * @param value_len  its length in bytes.
 * @param error      see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_UNSUPPORTED: the key or the value is too long;
 * SLEDSTORE_INVALID_ARGUMENT: key or value is NULL and its length is not 0; SLEDSTORE_BUSY: another
 * thread is using the batch; the handle statuses. After a failure the batch is as before.
 *
 * Threads: one at a time for each batch. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_batch_put(struct sledstore_batch *batch,
                                     const struct sledstore *keyspace,
                                     const void *key,
                                     size_t key_len,
                                     const void *value,
                                     size_t value_len,
                                     struct sledstore_error **error);

/**
 * Adds a write to a batch, like sledstore_put_with_ttl(). Of several writes to one key the last one
 * counts.
 *
 * @param batch      the batch.
 * @param keyspace   as in sledstore_batch_put().
 * @param key        the key, up to 4096 bytes. It is copied.
 * @param key_len    its length in bytes.
 * @param value      the value, up to 1073741824 bytes (1 GiB). It is copied.
 * @param value_len  its length in bytes.
 * @param ttl_ms     after how many milliseconds the key expires, counted from when the batch is
 *                   applied.
 * @param error      see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_UNSUPPORTED: the key or the value is too long;
 * SLEDSTORE_INVALID_ARGUMENT: key or value is NULL and its length is not 0; SLEDSTORE_BUSY: another
 * thread is using the batch; the handle statuses. After a failure the batch is as before.
 *
 * Threads: one at a time for each batch. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_batch_put_with_ttl(struct sledstore_batch *batch,
                                              const struct sledstore *keyspace,
                                              const void *key,
                                              size_t key_len,
                                              const void *value,
                                              size_t value_len,
                                              uint64_t ttl_ms,
                                              struct sledstore_error **error);

/**
 * Adds the deletion of a key to a batch, like sledstore_delete().
 *
 * @param batch     the batch.
 * @param keyspace  as in sledstore_batch_put().
 * @param key       the key. It is copied.
 * @param key_len   its length in bytes.
 * @param error     see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: key is NULL and key_len is not 0;
 * SLEDSTORE_BUSY: another thread is using the batch; the handle statuses. After a failure the batch
 * is as before.
 *
 * Threads: one at a time for each batch. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_batch_delete(struct sledstore_batch *batch,
                                        const struct sledstore *keyspace,
                                        const void *key,
                                        size_t key_len,
                                        struct sledstore_error **error);

/**
 * Adds a merge to a batch, like sledstore_merge(). It is made when the batch is applied, of what the
 * key is then, or of what the writes and merges that come before it in the batch have made of the key.
 *
 * @param batch        the batch.
 * @param keyspace     as in sledstore_batch_put(); it has to have a merge operator when the batch is
 *                     applied.
 * @param key          the key, up to 4096 bytes. It is copied.
 * @param key_len      its length in bytes.
 * @param operand      the operand, up to 1073741824 bytes (1 GiB). It is copied.
 * @param operand_len  its length in bytes.
 * @param error        see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_UNSUPPORTED: the key or the operand is too long;
 * SLEDSTORE_INVALID_ARGUMENT: key or operand is NULL and its length is not 0; SLEDSTORE_BUSY: another
 * thread is using the batch; SLEDSTORE_REENTRANT: from inside a merge operator that the batch called;
 * the handle statuses. After a failure the batch is as before.
 *
 * Threads: one at a time for each batch. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_batch_merge(struct sledstore_batch *batch,
                                       const struct sledstore *keyspace,
                                       const void *key,
                                       size_t key_len,
                                       const void *operand,
                                       size_t operand_len,
                                       struct sledstore_error **error);

/**
 * Tells how many writes, deletions and merges were added to a batch.
 *
 * @param batch  the batch.
 * @param len    receives the number; 0 on failure.
 * @param error  see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: len is NULL; the handle statuses.
 *
 * Threads: any number at once, also beside one that changes the batch. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_batch_len(const struct sledstore_batch *batch,
                                     size_t *len,
                                     struct sledstore_error **error);

/**
 * Empties a batch.
 *
 * @param batch  the batch.
 * @param error  see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_BUSY: another thread is using the batch; the handle statuses.
 *
 * Threads: one at a time for each batch. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_batch_clear(struct sledstore_batch *batch,
                                       struct sledstore_error **error);

/**
 * Makes all writes of a batch, or none. The batch stays as it is.
 *
 * @param store       a handle of the keyspace for those writes that name none, and of the store for
 *                    all of them.
 * @param batch       the batch. An empty one changes nothing.
 * @param durability  what the writes survive when this returns: SLEDSTORE_DURABILITY_BUFFERED or
 *                    SLEDSTORE_DURABILITY_SYNCED. 0: as the store was opened with.
 * @param error       see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_UNSUPPORTED: the batch has more than 4 GiB in all, or merges in a
 * keyspace without a merge operator, or a merge made a value that is too long, and nothing was written, or
 * this version does not know the durability; SLEDSTORE_INVALID_ARGUMENT: the batch names a keyspace
 * of another store, and nothing was written; SLEDSTORE_MERGE_FAILED: a merge operator failed, and
 * nothing was written; SLEDSTORE_REENTRANT: this thread is inside a merge operator;
 * SLEDSTORE_KEYSPACE_DROPPED: also if a keyspace that the batch names was dropped; SLEDSTORE_CLOSED:
 * also if its store was closed; SLEDSTORE_BUSY: another thread is using the batch; the handle statuses;
 * the engine statuses.
 *
 * Threads: any number at once for the store, one at a time for the batch. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_batch_apply(const struct sledstore *store,
                                       struct sledstore_batch *batch,
                                       uint32_t durability,
                                       struct sledstore_error **error);

/**
 * Frees a batch. What was applied stays; what was not is forgotten.
 *
 * @param batch  the batch; NULL does nothing.
 *
 * Statuses: SLEDSTORE_OK, also for NULL; SLEDSTORE_CLOSED: it was freed before;
 * SLEDSTORE_REENTRANT: this thread is inside a call on the batch, that is, in a callback;
 * SLEDSTORE_WRONG_HANDLE; SLEDSTORE_FORKED; SLEDSTORE_PANIC.
 *
 * Threads: any. A call of another thread on the batch comes to its end undisturbed. Since 0.1.0.
 */
SLEDSTORE_API sledstore_status sledstore_batch_free(struct sledstore_batch *batch);

/**
 * Writes several keys together, like a batch of sledstore_put(): all of them or none. Of several
 * writes to one key the last one counts.
 *
 * @param store  a handle of the keyspace.
 * @param pairs  the keys with their values. May be NULL if count is 0.
 * @param count  how many there are.
 * @param error  see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_UNSUPPORTED: a key or a value is too long;
 * SLEDSTORE_INVALID_ARGUMENT: pairs is NULL and count is not 0, or a key or value has data NULL and
 * a length; the handle statuses; the engine statuses.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_put_many(const struct sledstore *store,
                                    const struct sledstore_pair *pairs,
                                    size_t count,
                                    struct sledstore_error **error);

/**
 * Deletes several keys together: all of them or none. Keys that are not there are no failure.
 *
 * @param store  a handle of the keyspace.
 * @param keys   the keys. May be NULL if count is 0.
 * @param count  how many there are.
 * @param error  see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: keys is NULL and count is not 0, or a key has
 * data NULL and a length; the handle statuses; the engine statuses.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_delete_many(const struct sledstore *store,
                                       const struct sledstore_bytes *keys,
                                       size_t count,
                                       struct sledstore_error **error);

/**
 * Adds to a batch that a key expires, like sledstore_expire(), if it is there when the batch is
 * applied; a batch has no answer for a key that is not. A key counts as there that the same batch
 * has put before.
 *
 * @param batch     the batch.
 * @param keyspace  as in sledstore_batch_put().
 * @param key       the key. It is copied.
 * @param key_len   its length in bytes.
 * @param ttl_ms    after how many milliseconds, counted from when the batch is applied, as in
 *                  sledstore_put_with_ttl().
 * @param error     see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: key is NULL and key_len is not 0;
 * SLEDSTORE_BUSY: another thread is using the batch; the handle statuses. After a failure the batch
 * is as before.
 *
 * Threads: one at a time for each batch. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_batch_expire(struct sledstore_batch *batch,
                                        const struct sledstore *keyspace,
                                        const void *key,
                                        size_t key_len,
                                        uint64_t ttl_ms,
                                        struct sledstore_error **error);

/**
 * Adds to a batch that a key never expires, like sledstore_persist(), if it is there when the batch
 * is applied, as in sledstore_batch_expire().
 *
 * @param batch     the batch.
 * @param keyspace  as in sledstore_batch_put().
 * @param key       the key. It is copied.
 * @param key_len   its length in bytes.
 * @param error     see sledstore_error; may be NULL.
 *
 * Statuses: as sledstore_batch_expire().
 *
 * Threads: one at a time for each batch. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_batch_persist(struct sledstore_batch *batch,
                                         const struct sledstore *keyspace,
                                         const void *key,
                                         size_t key_len,
                                         struct sledstore_error **error);

/**
 * Creates an iterator over a keyspace, as it is now. It stands outside of the rows: move it first.
 *
 * @param store    a handle of the keyspace. It may be released before the iterator is freed.
 * @param options  see sledstore_iter_options; NULL: all rows.
 * @param iter     receives the iterator, to be freed with sledstore_iter_free(); NULL on failure.
 * @param error    see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: iter is NULL, an option is wrong, or a limit
 * has data NULL and a length; SLEDSTORE_UNSUPPORTED: an option that this version does not have;
 * SLEDSTORE_TOO_MANY_HANDLES: too many live handles; SLEDSTORE_CLOSED: also while another thread is
 * closing the store; the handle statuses; the engine statuses.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_iter_new(const struct sledstore *store,
                                    const struct sledstore_iter_options *options,
                                    struct sledstore_iter **iter,
                                    struct sledstore_error **error);

/**
 * Goes to the first row.
 *
 * @param iter   the iterator.
 * @param row    receives the key and the value, valid until the next move of this iterator; both
 *               {NULL, 0} unless SLEDSTORE_OK.
 * @param error  see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_END: there is no row; SLEDSTORE_INVALID_ARGUMENT: row is NULL;
 * SLEDSTORE_BUSY: another thread is using the iterator; SLEDSTORE_CAPACITY_EXCEEDED: the moment
 * that it shows has ended, because what was kept took more than snapshot_memory; SLEDSTORE_TXN_OVER:
 * its transaction has ended; the handle statuses; the engine statuses.
 *
 * Threads: one at a time for each iterator. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_iter_first(struct sledstore_iter *iter,
                                      struct sledstore_pair *row,
                                      struct sledstore_error **error);

/**
 * Goes to the last row.
 *
 * @param iter   the iterator.
 * @param row    as in sledstore_iter_first().
 * @param error  see sledstore_error; may be NULL.
 *
 * Statuses: as sledstore_iter_first().
 *
 * Threads: one at a time for each iterator. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_iter_last(struct sledstore_iter *iter,
                                     struct sledstore_pair *row,
                                     struct sledstore_error **error);

/**
 * Goes to the first row whose key is the given one or comes after it.
 *
 * @param iter     the iterator.
 * @param key      the key to look for. It may be one that this iterator shows at the moment, and
 *                 may lie outside of the iterator's limits.
 * @param key_len  its length in bytes.
 * @param row      as in sledstore_iter_first().
 * @param error    see sledstore_error; may be NULL.
 *
 * Statuses: as sledstore_iter_first(), with SLEDSTORE_END: there is no such row; and
 * SLEDSTORE_INVALID_ARGUMENT also if key is NULL and key_len is not 0.
 *
 * Threads: one at a time for each iterator. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_iter_seek(struct sledstore_iter *iter,
                                     const void *key,
                                     size_t key_len,
                                     struct sledstore_pair *row,
                                     struct sledstore_error **error);

/**
 * Goes to the last row whose key is the given one or comes before it.
 *
 * @param iter     the iterator.
 * @param key      as in sledstore_iter_seek().
 * @param key_len  its length in bytes.
 * @param row      as in sledstore_iter_first().
 * @param error    see sledstore_error; may be NULL.
 *
 * Statuses: as sledstore_iter_seek().
 *
 * Threads: one at a time for each iterator. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_iter_seek_for_prev(struct sledstore_iter *iter,
                                              const void *key,
                                              size_t key_len,
                                              struct sledstore_pair *row,
                                              struct sledstore_error **error);

/**
 * Goes to the next row upwards; a new iterator goes to the first row.
 *
 * @param iter   the iterator.
 * @param row    as in sledstore_iter_first().
 * @param error  see sledstore_error; may be NULL.
 *
 * Statuses: as sledstore_iter_first(), with SLEDSTORE_END: there is no further row.
 *
 * Threads: one at a time for each iterator. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_iter_next(struct sledstore_iter *iter,
                                     struct sledstore_pair *row,
                                     struct sledstore_error **error);

/**
 * Goes to the next row downwards; a new iterator goes to the last row.
 *
 * @param iter   the iterator.
 * @param row    as in sledstore_iter_first().
 * @param error  see sledstore_error; may be NULL.
 *
 * Statuses: as sledstore_iter_next().
 *
 * Threads: one at a time for each iterator. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_iter_prev(struct sledstore_iter *iter,
                                     struct sledstore_pair *row,
                                     struct sledstore_error **error);

/**
 * Shows the current row again: the one that the last move came to. Makes no move, and what earlier
 * calls have shown since that move stays valid.
 *
 * @param iter   the iterator.
 * @param row    as in sledstore_iter_first().
 * @param error  see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_END: there is no current row, because the iterator was not moved
 * yet, stands past an end, or has failed; after sledstore_iter_next_batch() the current row is the last
 * one that it gave, and there is none if that was less than there was room for;
 * SLEDSTORE_INVALID_ARGUMENT: row is NULL; SLEDSTORE_BUSY: another thread is using the iterator; the
 * handle statuses.
 *
 * Threads: one at a time for each iterator. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_iter_current(struct sledstore_iter *iter,
                                        struct sledstore_pair *row,
                                        struct sledstore_error **error);

/**
 * Tells how long the current row has still to live, without reading it again. Makes no move, and
 * what earlier calls have shown since the last move stays valid.
 *
 * @param iter    the iterator.
 * @param ttl_ms  receives the milliseconds from now until the key expires, 0 if it has expired since
 *                the moment that the iterator shows; 0 unless SLEDSTORE_OK. A life that the
 *                iterator's own transaction has given begins with the commit, and is told whole.
 * @param error   see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK: the key will expire, or has; SLEDSTORE_NO_TTL: it never expires;
 * SLEDSTORE_END: there is no current row, see sledstore_iter_current(); SLEDSTORE_INVALID_ARGUMENT:
 * ttl_ms is NULL; SLEDSTORE_BUSY: another thread is using the iterator; the handle statuses.
 *
 * Threads: one at a time for each iterator. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_iter_ttl(struct sledstore_iter *iter,
                                    uint64_t *ttl_ms,
                                    struct sledstore_error **error);

/**
 * Makes several moves upwards in one call, as if by sledstore_iter_next().
 *
 * @param iter      the iterator.
 * @param rows      an array for the rows. The first count entries receive keys and values, valid
 *                  until the next move of this iterator; the others are {NULL, 0}.
 * @param capacity  how many entries the array has; at least 1.
 * @param count     receives how many rows there are; 0 unless SLEDSTORE_OK. Less than capacity
 *                  means that the end was reached, or that the next move fails.
 * @param error     see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK: count is at least 1; SLEDSTORE_INVALID_ARGUMENT: rows or count is NULL, or
 * capacity is 0; otherwise as sledstore_iter_next().
 *
 * Threads: one at a time for each iterator. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_iter_next_batch(struct sledstore_iter *iter,
                                           struct sledstore_pair *rows,
                                           size_t capacity,
                                           size_t *count,
                                           struct sledstore_error **error);

/**
 * Frees an iterator. The rows that it showed are gone with it.
 *
 * @param iter  the iterator; NULL does nothing.
 *
 * Statuses: SLEDSTORE_OK, also for NULL; SLEDSTORE_CLOSED: it was freed before;
 * SLEDSTORE_REENTRANT: this thread is inside a call on the iterator, that is, in a callback;
 * SLEDSTORE_WRONG_HANDLE; SLEDSTORE_FORKED; SLEDSTORE_PANIC.
 *
 * Threads: any. A call of another thread on the iterator comes to its end undisturbed, and the
 * iterator is gone after it. Since 0.1.0.
 */
SLEDSTORE_API sledstore_status sledstore_iter_free(struct sledstore_iter *iter);

/**
 * Makes a snapshot of all keyspaces of a store.
 *
 * @param store     a handle of the keyspace that NULL shall mean in the functions below. It may be
 *                  released before the snapshot is freed.
 * @param snapshot  receives the snapshot, to be freed with sledstore_snapshot_free(); NULL on
 *                  failure.
 * @param error     see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: snapshot is NULL;
 * SLEDSTORE_TOO_MANY_HANDLES: too many live handles; SLEDSTORE_CLOSED: also while another thread
 * is closing the store; the handle statuses; the engine statuses.
 *
 * Threads: any number at once. It waits for a write that is under way. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_snapshot_new(const struct sledstore *store,
                                        struct sledstore_snapshot **snapshot,
                                        struct sledstore_error **error);

/**
 * Reads the value that a key had, without copying it.
 *
 * @param snapshot  the snapshot.
 * @param keyspace  a handle of a keyspace of the same store; NULL: the one that the snapshot was
 *                  made from.
 * @param key       the key.
 * @param key_len   its length in bytes; 0 is a key like any other.
 * @param value     receives the value, to be freed with sledstore_value_free(); NULL unless
 *                  SLEDSTORE_OK. An empty value is a value: SLEDSTORE_OK, with length 0.
 * @param error     see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_KEY_NOT_FOUND: the key was not there, or had expired;
 * SLEDSTORE_INVALID_ARGUMENT: value is NULL, key is NULL and key_len is not 0, or keyspace is one of
 * another store; SLEDSTORE_CAPACITY_EXCEEDED: the snapshot has ended, because what was kept took more
 * than snapshot_memory; SLEDSTORE_TOO_MANY_HANDLES: too many live handles; the handle statuses; the
 * engine statuses.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_snapshot_get(const struct sledstore_snapshot *snapshot,
                                        const struct sledstore *keyspace,
                                        const void *key,
                                        size_t key_len,
                                        struct sledstore_value **value,
                                        struct sledstore_error **error);

/**
 * Reads the value that a key had into a buffer of the caller's. Creates nothing that has to be
 * freed.
 *
 * To learn the length only, call it with dst NULL and capacity 0.
 *
 * @param snapshot  the snapshot.
 * @param keyspace  as in sledstore_snapshot_get().
 * @param key       the key.
 * @param key_len   its length in bytes.
 * @param dst       the buffer. The whole value is written to it, or nothing; no NUL is added. May
 *                  be NULL if capacity is 0.
 * @param capacity  how many bytes the buffer has.
 * @param needed    receives the length of the value, also with SLEDSTORE_BUFFER_TOO_SMALL; 0 on
 *                  everything else.
 * @param error     see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_BUFFER_TOO_SMALL: there is a buffer, and it is too small;
 * SLEDSTORE_INVALID_ARGUMENT: needed is NULL, or dst is NULL and capacity is not 0, or key is NULL and key_len is not 0;
 * otherwise as sledstore_snapshot_get().
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_snapshot_get_into(const struct sledstore_snapshot *snapshot,
                                             const struct sledstore *keyspace,
                                             const void *key,
                                             size_t key_len,
                                             void *dst,
                                             size_t capacity,
                                             size_t *needed,
                                             struct sledstore_error **error);

/**
 * Reads the values that several keys had, all at the one moment.
 *
 * @param snapshot  the snapshot.
 * @param keyspace  as in sledstore_snapshot_get().
 * @param keys      the keys. May be NULL if count is 0.
 * @param count     how many there are.
 * @param values    an array of count entries. Each receives the value of the key in the same
 *                  place, to be freed with sledstore_value_free(), or NULL if the key was not
 *                  there; all are NULL on failure. May be NULL if count is 0.
 * @param error     see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK, also if keys were not there; SLEDSTORE_INVALID_ARGUMENT: keys or values is
 * NULL and count is not 0, or a key has data NULL and a length; otherwise as
 * sledstore_snapshot_get().
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_snapshot_get_many(const struct sledstore_snapshot *snapshot,
                                             const struct sledstore *keyspace,
                                             const struct sledstore_bytes *keys,
                                             size_t count,
                                             struct sledstore_value **values,
                                             struct sledstore_error **error);

/**
 * Says whether a key was there.
 *
 * @param snapshot  the snapshot.
 * @param keyspace  as in sledstore_snapshot_get().
 * @param key       the key.
 * @param key_len   its length in bytes.
 * @param error     see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK: it was there; SLEDSTORE_KEY_NOT_FOUND: it was not, or had expired;
 * SLEDSTORE_INVALID_ARGUMENT: key is NULL and key_len is not 0; otherwise as
 * sledstore_snapshot_get().
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_snapshot_contains(const struct sledstore_snapshot *snapshot,
                                             const struct sledstore *keyspace,
                                             const void *key,
                                             size_t key_len,
                                             struct sledstore_error **error);

/**
 * Counts the keys that a keyspace had. It walks over them, so it takes as long as there are many.
 *
 * @param snapshot  the snapshot.
 * @param keyspace  as in sledstore_snapshot_get().
 * @param count     receives the number; 0 on failure.
 * @param error     see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: count is NULL; otherwise as
 * sledstore_snapshot_get().
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_snapshot_count(const struct sledstore_snapshot *snapshot,
                                          const struct sledstore *keyspace,
                                          uint64_t *count,
                                          struct sledstore_error **error);

/**
 * Creates an iterator over a keyspace as the snapshot shows it. It stands outside of the rows: move
 * it first. It goes on when the snapshot is freed, and holds its moment until it is freed itself.
 *
 * @param snapshot  the snapshot.
 * @param keyspace  as in sledstore_snapshot_get().
 * @param options   see sledstore_iter_options; NULL: all rows.
 * @param iter      receives the iterator, to be freed with sledstore_iter_free(); NULL on failure.
 * @param error     see sledstore_error; may be NULL.
 *
 * Statuses: as sledstore_iter_new(). Its moves answer SLEDSTORE_CAPACITY_EXCEEDED where
 * sledstore_snapshot_get() would.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_snapshot_iter_new(const struct sledstore_snapshot *snapshot,
                                             const struct sledstore *keyspace,
                                             const struct sledstore_iter_options *options,
                                             struct sledstore_iter **iter,
                                             struct sledstore_error **error);

/**
 * Frees a snapshot. What was kept for it alone is gone with it.
 *
 * @param snapshot  the snapshot; NULL does nothing.
 *
 * Statuses: SLEDSTORE_OK, also for NULL; SLEDSTORE_CLOSED: it was freed before;
 * SLEDSTORE_REENTRANT: this thread is inside a call on the snapshot, that is, in a callback;
 * SLEDSTORE_WRONG_HANDLE; SLEDSTORE_FORKED; SLEDSTORE_PANIC.
 *
 * Threads: any. A call of another thread on the snapshot comes to its end undisturbed, and the
 * snapshot is gone after it. Since 0.1.0.
 */
SLEDSTORE_API sledstore_status sledstore_snapshot_free(struct sledstore_snapshot *snapshot);

/**
 * Tells what snapshots, iterators and transactions hold in memory, all of this store together.
 *
 * @param store     any handle of the store.
 * @param moments   receives how many of them hold a moment; a snapshot and its iterators hold one
 *                  together. May be NULL; 0 on failure.
 * @param versions  receives how many overwritten or deleted rows are kept for them. May be NULL; 0
 *                  on failure.
 * @param bytes     receives how many bytes of memory those rows take, roughly. May be NULL; 0 on
 *                  failure.
 * @param error     see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; the handle statuses.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_snapshot_stats(const struct sledstore *store,
                                          uint64_t *moments,
                                          uint64_t *versions,
                                          uint64_t *bytes,
                                          struct sledstore_error **error);

/**
 * Begins a transaction.
 *
 * @param store  a handle of the keyspace that NULL shall mean in the functions below. It may be
 *               released before the transaction ends.
 * @param txn    receives the transaction, to be given to sledstore_txn_commit() or
 *               sledstore_txn_rollback(); NULL on failure.
 * @param error  see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: txn is NULL; SLEDSTORE_TOO_MANY_HANDLES: too
 * many live handles; SLEDSTORE_CLOSED: also while another thread is closing the store; the handle
 * statuses; the engine statuses.
 *
 * Threads: any number at once. It waits for a write that is under way. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_txn_begin(const struct sledstore *store,
                                     struct sledstore_txn **txn,
                                     struct sledstore_error **error);

/**
 * Makes all writes of a transaction, or none, and ends it. What was written is seen by every read
 * that begins afterwards.
 *
 * @param txn         the transaction. It is gone after every status but SLEDSTORE_BUSY,
 *                    SLEDSTORE_REENTRANT, SLEDSTORE_FORKED, those that say that it is no live
 *                    transaction, and SLEDSTORE_UNSUPPORTED for a durability that this version does
 *                    not know.
 * @param durability  as in sledstore_batch_apply().
 * @param error       see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_UNSUPPORTED: this version does not know the durability, or the
 * writes have more than 4 GiB in all, and nothing was written; SLEDSTORE_TXN_CONFLICT: something that it had read was written, and
 * nothing of it was; begin a new one and do all of it again. To write the same value, or the
 * expiry alone, is to write; to delete a key that is not there, or that a key expires, is not; and
 * what it reads of its own writes it has not read. SLEDSTORE_CAPACITY_EXCEEDED: the moment that it
 * had read has ended, see sledstore_txn_get(), and nothing was written; without reads, or without
 * writes, it has no need of that moment. SLEDSTORE_BUSY: another thread is using it;
 * SLEDSTORE_REENTRANT: it is the transaction of a callback, see sledstore_txn_run();
 * SLEDSTORE_TXN_OVER: it was committed or rolled back before; SLEDSTORE_KEYSPACE_DROPPED: it wrote,
 * and a keyspace that it used was dropped, and nothing was written; the handle statuses; the engine statuses.
 *
 * Threads: one at a time for each transaction. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_txn_commit(struct sledstore_txn *txn,
                                      uint32_t durability,
                                      struct sledstore_error **error);

/**
 * Forgets all writes of a transaction, and ends it.
 *
 * @param txn    the transaction; NULL does nothing. It is gone after SLEDSTORE_OK.
 * @param error  see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK, also for NULL; SLEDSTORE_BUSY: another thread is using it;
 * SLEDSTORE_REENTRANT: it is the transaction of a callback, see sledstore_txn_run();
 * SLEDSTORE_TXN_OVER: it was committed or rolled back before; SLEDSTORE_WRONG_HANDLE;
 * SLEDSTORE_FORKED; SLEDSTORE_PANIC.
 *
 * Threads: one at a time for each transaction. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_txn_rollback(struct sledstore_txn *txn,
                                        struct sledstore_error **error);

/**
 * Reads the value of a key, without copying it.
 *
 * @param txn       the transaction.
 * @param keyspace  a handle of a keyspace of the same store; NULL: the one on which the
 *                  transaction was begun.
 * @param key       the key.
 * @param key_len   its length in bytes; 0 is a key like any other.
 * @param value     receives the value, to be freed with sledstore_value_free(); NULL unless
 *                  SLEDSTORE_OK. An empty value is a value: SLEDSTORE_OK, with length 0.
 * @param error     see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_KEY_NOT_FOUND: the key is not there, or had expired when the
 * transaction began; SLEDSTORE_INVALID_ARGUMENT: value is NULL, key is NULL and key_len is not 0,
 * or keyspace is one of another store; SLEDSTORE_CAPACITY_EXCEEDED: the moment that the transaction
 * shows has ended, because what was kept took more than snapshot_memory;
 * SLEDSTORE_TOO_MANY_HANDLES: too many live handles; SLEDSTORE_BUSY: another thread is using the
 * transaction; SLEDSTORE_TXN_OVER: it was committed or rolled back; the handle statuses; the
 * engine statuses.
 *
 * Threads: one at a time for each transaction. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_txn_get(struct sledstore_txn *txn,
                                   const struct sledstore *keyspace,
                                   const void *key,
                                   size_t key_len,
                                   struct sledstore_value **value,
                                   struct sledstore_error **error);

/**
 * Reads the value of a key into a buffer of the caller's. Creates nothing that has to be freed.
 *
 * To learn the length only, call it with dst NULL and capacity 0.
 *
 * @param txn       the transaction.
 * @param keyspace  as in sledstore_txn_get().
 * @param key       the key.
 * @param key_len   its length in bytes.
 * @param dst       the buffer. The whole value is written to it, or nothing; no NUL is added. May
 *                  be NULL if capacity is 0.
 * @param capacity  how many bytes the buffer has.
 * @param needed    receives the length of the value, also with SLEDSTORE_BUFFER_TOO_SMALL; 0 on
 *                  everything else.
 * @param error     see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_BUFFER_TOO_SMALL: there is a buffer, and it is too small;
 * SLEDSTORE_INVALID_ARGUMENT: needed is NULL, or dst is NULL and capacity is not 0, or key is NULL and key_len is not 0;
 * otherwise as sledstore_txn_get().
 *
 * Threads: one at a time for each transaction. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_txn_get_into(struct sledstore_txn *txn,
                                        const struct sledstore *keyspace,
                                        const void *key,
                                        size_t key_len,
                                        void *dst,
                                        size_t capacity,
                                        size_t *needed,
                                        struct sledstore_error **error);

/**
 * Reads the values of several keys.
 *
 * @param txn       the transaction.
 * @param keyspace  as in sledstore_txn_get().
 * @param keys      the keys. May be NULL if count is 0.
 * @param count     how many there are.
 * @param values    an array of count entries. Each receives the value of the key in the same place,
 *                  to be freed with sledstore_value_free(), or NULL if the key is not there; all are
 *                  NULL on failure. May be NULL if count is 0.
 * @param error     see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK, also if keys are not there; SLEDSTORE_INVALID_ARGUMENT: keys or values is
 * NULL and count is not 0, or a key has data NULL and a length; otherwise as sledstore_txn_get().
 *
 * Threads: one at a time for each transaction. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_txn_get_many(struct sledstore_txn *txn,
                                        const struct sledstore *keyspace,
                                        const struct sledstore_bytes *keys,
                                        size_t count,
                                        struct sledstore_value **values,
                                        struct sledstore_error **error);

/**
 * Says whether a key is there. It counts as read.
 *
 * @param txn       the transaction.
 * @param keyspace  as in sledstore_txn_get().
 * @param key       the key.
 * @param key_len   its length in bytes.
 * @param error     see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK: it is there; SLEDSTORE_KEY_NOT_FOUND: it is not, or had expired when the
 * transaction began; SLEDSTORE_INVALID_ARGUMENT: key is NULL and key_len is not 0; otherwise as
 * sledstore_txn_get().
 *
 * Threads: one at a time for each transaction. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_txn_contains(struct sledstore_txn *txn,
                                        const struct sledstore *keyspace,
                                        const void *key,
                                        size_t key_len,
                                        struct sledstore_error **error);

/**
 * Counts the keys of a keyspace as a transaction sees them, with its own writes. It walks over
 * them, so it takes as long as there are many, and all of the keyspace counts as read.
 *
 * @param txn       the transaction.
 * @param keyspace  as in sledstore_txn_get().
 * @param count     receives the number; 0 on failure.
 * @param error     see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: count is NULL; otherwise as
 * sledstore_txn_get().
 *
 * Threads: one at a time for each transaction. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_txn_count(struct sledstore_txn *txn,
                                     const struct sledstore *keyspace,
                                     uint64_t *count,
                                     struct sledstore_error **error);

/**
 * Creates an iterator over a keyspace as the transaction sees it, with its own writes, also those
 * that it makes while the iterator is open. What it goes over counts as read, as far as it goes.
 * When the transaction has ended its moves answer SLEDSTORE_TXN_OVER, and it still has to be freed.
 *
 * @param txn       the transaction.
 * @param keyspace  as in sledstore_txn_get().
 * @param options   see sledstore_iter_options; NULL: all rows.
 * @param iter      receives the iterator, to be freed with sledstore_iter_free(); NULL on failure.
 * @param error     see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_INVALID_ARGUMENT: also if keyspace is one of another store; SLEDSTORE_BUSY:
 * another thread is using the transaction; otherwise as sledstore_iter_new(). Its moves answer
 * SLEDSTORE_CAPACITY_EXCEEDED where sledstore_txn_get() would.
 *
 * Threads: one at a time for each transaction. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_txn_iter_new(struct sledstore_txn *txn,
                                        const struct sledstore *keyspace,
                                        const struct sledstore_iter_options *options,
                                        struct sledstore_iter **iter,
                                        struct sledstore_error **error);

/**
 * Writes the value of a key, like sledstore_put(), once the transaction is committed.
 *
 * @param txn        the transaction.
 * @param keyspace   as in sledstore_txn_get().
 * @param key        the key, up to 4096 bytes. It is copied.
 * @param key_len    its length in bytes.
 * @param value      the value, up to 1073741824 bytes (1 GiB). It is copied.
 * @param value_len  its length in bytes.
 * @param error      see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_UNSUPPORTED: the key or the value is too long;
 * SLEDSTORE_INVALID_ARGUMENT: key or value is NULL and its length is not 0, or keyspace is one of
 * another store;
 * SLEDSTORE_BUSY: another thread is using the transaction; SLEDSTORE_TXN_OVER: it was
 * committed or rolled back; the handle statuses. After a failure the transaction is as before.
 *
 * Threads: one at a time for each transaction. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_txn_put(struct sledstore_txn *txn,
                                   const struct sledstore *keyspace,
                                   const void *key,
                                   size_t key_len,
                                   const void *value,
                                   size_t value_len,
                                   struct sledstore_error **error);

/**
 * Writes the value of a key that expires, like sledstore_put_with_ttl(), once the transaction is
 * committed.
 *
 * @param txn        the transaction.
 * @param keyspace   as in sledstore_txn_get().
 * @param key        the key, up to 4096 bytes. It is copied.
 * @param key_len    its length in bytes.
 * @param value      the value, up to 1073741824 bytes (1 GiB). It is copied.
 * @param value_len  its length in bytes.
 * @param ttl_ms     after how many milliseconds the key expires, counted from the commit.
 * @param error      see sledstore_error; may be NULL.
 *
 * Statuses: as sledstore_txn_put().
 *
 * Threads: one at a time for each transaction. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_txn_put_with_ttl(struct sledstore_txn *txn,
                                            const struct sledstore *keyspace,
                                            const void *key,
                                            size_t key_len,
                                            const void *value,
                                            size_t value_len,
                                            uint64_t ttl_ms,
                                            struct sledstore_error **error);

/**
 * Deletes a key, like sledstore_delete(), once the transaction is committed.
 *
 * @param txn       the transaction.
 * @param keyspace  as in sledstore_txn_get().
 * @param key       the key. It is copied.
 * @param key_len   its length in bytes.
 * @param error     see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: key is NULL and key_len is not 0, or keyspace
 * is one of another store; SLEDSTORE_BUSY: another thread is
 * using the transaction; SLEDSTORE_TXN_OVER: it was committed or rolled back; the handle
 * statuses. After a failure the transaction is as before.
 *
 * Threads: one at a time for each transaction. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_txn_delete(struct sledstore_txn *txn,
                                      const struct sledstore *keyspace,
                                      const void *key,
                                      size_t key_len,
                                      struct sledstore_error **error);

/**
 * Merges an operand into a key, like sledstore_merge(), in the transaction: of what the transaction
 * has made of the key, or else of what it reads, and that counts as read. The operator is called
 * during this call.
 *
 * @param txn          the transaction.
 * @param keyspace     as in sledstore_txn_get(); it has to have a merge operator.
 * @param key          the key, up to 4096 bytes. It is copied.
 * @param key_len      its length in bytes.
 * @param operand      the operand.
 * @param operand_len  its length in bytes.
 * @param error        see sledstore_error; may be NULL.
 *
 * Statuses: as sledstore_txn_put(); SLEDSTORE_UNSUPPORTED: also if the keyspace has no operator, or the
 * new value is too long; SLEDSTORE_MERGE_FAILED: the operator has failed, see sledstore_merge();
 * SLEDSTORE_CAPACITY_EXCEEDED: as sledstore_txn_get(); SLEDSTORE_REENTRANT: this thread is inside a
 * merge operator; the engine statuses. After a failure the transaction is as before.
 *
 * Threads: one at a time for each transaction. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_txn_merge(struct sledstore_txn *txn,
                                     const struct sledstore *keyspace,
                                     const void *key,
                                     size_t key_len,
                                     const void *operand,
                                     size_t operand_len,
                                     struct sledstore_error **error);

/**
 * Tells how long a key had still to live when the transaction began. It counts as read. Of a key
 * that the transaction itself has written it tells all of the time that it gave it.
 *
 * @param txn       the transaction.
 * @param keyspace  as in sledstore_txn_get().
 * @param key       the key.
 * @param key_len   its length in bytes.
 * @param ttl_ms    receives the milliseconds until the key expires, at least 1; 0 unless
 *                  SLEDSTORE_OK.
 * @param error     see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK: the key is there and will expire; SLEDSTORE_NO_TTL: it is there and never
 * expires; SLEDSTORE_KEY_NOT_FOUND: it is not there, or had expired when the transaction began;
 * SLEDSTORE_INVALID_ARGUMENT: ttl_ms is NULL, or key is NULL and key_len is not 0; otherwise as
 * sledstore_txn_get().
 *
 * Threads: one at a time for each transaction. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_txn_ttl(struct sledstore_txn *txn,
                                   const struct sledstore *keyspace,
                                   const void *key,
                                   size_t key_len,
                                   uint64_t *ttl_ms,
                                   struct sledstore_error **error);

/**
 * Sets when a key expires, like sledstore_expire(), once the transaction is committed. The key
 * counts as read.
 *
 * @param txn       the transaction.
 * @param keyspace  as in sledstore_txn_get().
 * @param key       the key.
 * @param key_len   its length in bytes.
 * @param ttl_ms    after how many milliseconds, counted from the commit, as in
 *                  sledstore_put_with_ttl().
 * @param error     see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_KEY_NOT_FOUND: the key is not there, or had expired when the
 * transaction began; SLEDSTORE_INVALID_ARGUMENT: key is NULL and key_len is not 0; otherwise as
 * sledstore_txn_get().
 *
 * Threads: one at a time for each transaction. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_txn_expire(struct sledstore_txn *txn,
                                      const struct sledstore *keyspace,
                                      const void *key,
                                      size_t key_len,
                                      uint64_t ttl_ms,
                                      struct sledstore_error **error);

/**
 * Makes a key stay, like sledstore_persist(), once the transaction is committed. The key counts as
 * read.
 *
 * @param txn       the transaction.
 * @param keyspace  as in sledstore_txn_get().
 * @param key       the key.
 * @param key_len   its length in bytes.
 * @param error     see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK: it would have expired, and will not; SLEDSTORE_NO_TTL: it would not have
 * expired anyway; SLEDSTORE_KEY_NOT_FOUND: it is not there, or had expired when the transaction
 * began; SLEDSTORE_INVALID_ARGUMENT: key is NULL and key_len is not 0; otherwise as
 * sledstore_txn_get().
 *
 * Threads: one at a time for each transaction. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_txn_persist(struct sledstore_txn *txn,
                                       const struct sledstore *keyspace,
                                       const void *key,
                                       size_t key_len,
                                       struct sledstore_error **error);

/**
 * Writes or deletes a key, once the transaction is committed, if its value is what the caller
 * expects. The key counts as read.
 *
 * @param txn       the transaction.
 * @param keyspace  as in sledstore_txn_get().
 * @param key       the key. It is copied.
 * @param key_len   its length in bytes.
 * @param expected  the value that the key must have; NULL: the key must not be there.
 * @param desired   the value to write, which never expires; NULL: delete the key. It is copied.
 * @param error     see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK: it is as expected; SLEDSTORE_CAS_MISMATCH: it is not, and the transaction
 * has not written it; SLEDSTORE_UNSUPPORTED: the key or the value is too long;
 * SLEDSTORE_INVALID_ARGUMENT: also if key is NULL and key_len is not 0, or expected or desired
 * points to bytes with data NULL and a length; otherwise as sledstore_txn_get().
 *
 * Threads: one at a time for each transaction. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_txn_compare_and_swap(struct sledstore_txn *txn,
                                                const struct sledstore *keyspace,
                                                const void *key,
                                                size_t key_len,
                                                const struct sledstore_bytes *expected,
                                                const struct sledstore_bytes *desired,
                                                struct sledstore_error **error);

/**
 * Marks what a transaction has written so far, in all keyspaces, so that it can be rolled back to
 * it. A transaction may have any number of savepoints. There is nothing to be freed: they end with
 * the transaction. From the first savepoint on, the transaction keeps in memory what it overwrites
 * of its own writes.
 *
 * @param txn        the transaction.
 * @param savepoint  receives a number for sledstore_txn_rollback_to(), which no other savepoint of
 *                   the process has, and which is never 0; 0 on failure.
 * @param error      see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: savepoint is NULL; SLEDSTORE_BUSY: another
 * thread is using the transaction; SLEDSTORE_TXN_OVER: it was committed or rolled back; the
 * handle statuses.
 *
 * Threads: one at a time for each transaction. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_txn_savepoint(struct sledstore_txn *txn,
                                         uint64_t *savepoint,
                                         struct sledstore_error **error);

/**
 * Undoes what a transaction has written since a savepoint, in all keyspaces; the transaction goes
 * on. The savepoints that were made after this one end. This one stays, and can be rolled back to
 * again. What was read since still counts as read, and open iterators go on from where they are.
 *
 * @param txn        the transaction.
 * @param savepoint  the number from sledstore_txn_savepoint().
 * @param error      see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: the transaction has no such savepoint, or it
 * has ended; SLEDSTORE_BUSY: another thread is using the transaction; SLEDSTORE_TXN_OVER: it
 * was committed or rolled back; the handle statuses. After a failure the transaction is as before.
 *
 * Threads: one at a time for each transaction. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_txn_rollback_to(struct sledstore_txn *txn,
                                           uint64_t savepoint,
                                           struct sledstore_error **error);

/**
 * Runs a callback in a transaction and commits it; if another writer came in between, begins
 * again, with growing pauses: the callback is called 100 times at most, which takes about a
 * second. There is an example under CALLBACKS in the head of this file.
 *
 * Inside of the callback, txn is used like any other transaction, but is not committed or rolled
 * back: sledstore_txn_commit() and sledstore_txn_rollback() answer SLEDSTORE_REENTRANT. It is gone
 * when the callback has returned. The callback may use the library in every other way, but cannot
 * close or release the handle that this call was given; what it writes past the transaction stays.
 * If it forks and returns in the child too, the call answers SLEDSTORE_FORKED there, and goes on
 * in the parent.
 *
 * @param store     as in sledstore_txn_begin().
 * @param callback  see sledstore_txn_callback. The struct is copied. destroy is called once,
 *                  unless the status is SLEDSTORE_FORKED or the struct itself is not valid.
 * @param error     see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK: it was committed; whatever the callback answered, if that is neither
 * SLEDSTORE_OK nor SLEDSTORE_TXN_CONFLICT, and SLEDSTORE_OTHER for a number that is no status:
 * nothing was written; SLEDSTORE_TXN_CONFLICT: every attempt met another writer, and nothing was
 * written; SLEDSTORE_INVALID_ARGUMENT: callback or its function run is NULL, or struct_size is
 * wrong; SLEDSTORE_UNSUPPORTED: a member that this version does not have;
 * SLEDSTORE_REENTRANT also if 12 calls of it are under way on this thread, each in the
 * callback of the one before; otherwise as sledstore_txn_begin() and sledstore_txn_commit().
 *
 * Threads: any number at once. The callback is called on the calling thread. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_txn_run(const struct sledstore *store,
                                   const struct sledstore_txn_callback *callback,
                                   struct sledstore_error **error);

/**
 * Counts the keys from one key up to, not including, another one, exactly, as they are at the moment
 * of the call; expired keys are not there. It walks over them, so it takes as long as there are many,
 * while writers go on. NULL means that there is no such limit; not NULL with length 0 is the empty
 * key.
 *
 * @param store   a handle of the keyspace.
 * @param lo      the smallest key to count; NULL: from the first one on.
 * @param lo_len  its length in bytes.
 * @param hi      the key to stop before; NULL: up to the last one.
 * @param hi_len  its length in bytes.
 * @param count   receives the number; 0 on failure, and if hi is not above lo.
 * @param error   see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: count is NULL, or lo or hi is NULL and its
 * length is not 0; SLEDSTORE_CAPACITY_EXCEEDED: what was kept for the count took more than
 * snapshot_memory; the handle statuses; the engine statuses.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_count_range(const struct sledstore *store,
                                       const void *lo,
                                       size_t lo_len,
                                       const void *hi,
                                       size_t hi_len,
                                       uint64_t *count,
                                       struct sledstore_error **error);

/**
 * Tells roughly how many bytes the keys and values have from one key up to, not including, another
 * one. It is not what they take on the disk. Some ten thousand keys are looked at, hardly more where
 * there are many more, while sledstore_count_range() walks over all.
 *
 * Up to 100 keys it is exact if their values have no more than 4096 bytes. Beyond that it is
 * estimated: what is between the first and the last key is halved again and again, and small parts that
 * are chosen by chance are measured. Where keys are spread evenly, as numbers of one length, times and
 * hashes are, that is mostly within a tenth. Where a few small stretches have most of the keys it can
 * be ten times too small or too large. For the same keys and values it is always the same. Keys
 * that have expired and were not purged are not counted, but take time: see
 * sledstore_purge_expired().
 *
 * @param store   a handle of the keyspace.
 * @param lo      the smallest key; NULL: from the first one on.
 * @param lo_len  its length in bytes.
 * @param hi      the key to stop before; NULL: up to the last one.
 * @param hi_len  its length in bytes.
 * @param bytes   receives the size in bytes; 0 on failure, and if hi is not above lo.
 * @param error   see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: bytes is NULL, or lo or hi is NULL and its
 * length is not 0; SLEDSTORE_CAPACITY_EXCEEDED: what was kept for it took more than snapshot_memory;
 * the handle statuses; the engine statuses.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_approximate_size(const struct sledstore *store,
                                            const void *lo,
                                            size_t lo_len,
                                            const void *hi,
                                            size_t hi_len,
                                            uint64_t *bytes,
                                            struct sledstore_error **error);

/**
 * Deletes all keys from one key up to, not including, another one, at one moment: every read that
 * begins afterwards sees none of them, and snapshots that were taken before show all of them. NULL
 * means that there is no such limit; not NULL with length 0 is the empty key.
 *
 * It takes the same short time however many keys there are. Their space is given back in the
 * background, which takes as long as deleting each of them; until then sledstore_flush() is not held
 * up, but sledstore_compact(), sledstore_close(), and writes that come faster than the library can
 * bring them into its main file may have to wait for it.
 *
 * For transactions it is a write of every key of the range, also of those that are not there.
 *
 * @param store   a handle of the keyspace.
 * @param lo      the smallest key to delete; NULL: from the first one on.
 * @param lo_len  its length in bytes.
 * @param hi      the key to stop before; NULL: up to the last one. If it is not above lo, nothing
 *                is deleted.
 * @param hi_len  its length in bytes.
 * @param error   see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK, also if there was no key; SLEDSTORE_INVALID_ARGUMENT: lo or hi is NULL and
 * its length is not 0; the handle statuses; the engine statuses.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_delete_range(const struct sledstore *store,
                                        const void *lo,
                                        size_t lo_len,
                                        const void *hi,
                                        size_t hi_len,
                                        struct sledstore_error **error);

/**
 * Deletes all keys of a keyspace, like sledstore_delete_range() without limits. The keyspace stays,
 * and so do its handles; the default keyspace can be cleared too.
 *
 * @param store  a handle of the keyspace.
 * @param error  see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; the handle statuses; the engine statuses.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_clear(const struct sledstore *store,
                                 struct sledstore_error **error);

/**
 * Adds the deletion of all keys of a range to a batch, like sledstore_delete_range(). Of what the
 * batch does to a key of the range, that counts which was added after this.
 *
 * @param batch     the batch.
 * @param keyspace  as in sledstore_batch_put().
 * @param lo        the smallest key to delete; NULL: from the first one on. It is copied.
 * @param lo_len    its length in bytes.
 * @param hi        the key to stop before; NULL: up to the last one. It is copied.
 * @param hi_len    its length in bytes.
 * @param error     see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: lo or hi is NULL and its length is not 0;
 * SLEDSTORE_BUSY: another thread is using the batch; the handle statuses. After a failure the batch
 * is as before.
 *
 * Threads: one at a time for each batch. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_batch_delete_range(struct sledstore_batch *batch,
                                              const struct sledstore *keyspace,
                                              const void *lo,
                                              size_t lo_len,
                                              const void *hi,
                                              size_t hi_len,
                                              struct sledstore_error **error);

/**
 * Deletes all keys of a range, like sledstore_delete_range(), once the transaction is committed;
 * keys too that others write to the range until then. Nothing of the range counts as read.
 *
 * @param txn       the transaction.
 * @param keyspace  as in sledstore_txn_get().
 * @param lo        the smallest key to delete; NULL: from the first one on. It is copied.
 * @param lo_len    its length in bytes.
 * @param hi        the key to stop before; NULL: up to the last one. It is copied.
 * @param hi_len    its length in bytes.
 * @param error     see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: lo or hi is NULL and its length is not 0, or
 * keyspace is one of another store; SLEDSTORE_BUSY: another
 * thread is using the transaction; SLEDSTORE_TXN_OVER: it was committed or rolled back; the handle
 * statuses. After a failure the transaction is as before.
 *
 * Threads: one at a time for each transaction. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_txn_delete_range(struct sledstore_txn *txn,
                                            const struct sledstore *keyspace,
                                            const void *lo,
                                            size_t lo_len,
                                            const void *hi,
                                            size_t hi_len,
                                            struct sledstore_error **error);

/**
 * Tells the number of the newest commit that reads see, of whichever keyspace. Commits are numbered in
 * their order, from 1, without gaps; a power cut that takes commits takes their numbers back.
 *
 * @param store     any handle of the store.
 * @param sequence  receives the number; 0 if nothing was ever written, and on failure.
 * @param error     see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: sequence is NULL; the handle statuses.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_sequence(const struct sledstore *store,
                                    uint64_t *sequence,
                                    struct sledstore_error **error);

/**
 * Watches the keys of a keyspace that start with a prefix.
 *
 * @param store       a handle of the keyspace. It may be released before the watch is freed.
 * @param prefix      what the keys begin with.
 * @param prefix_len  its length in bytes; 0: all keys.
 * @param options     see sledstore_watch_options; NULL: all defaults.
 * @param watch       receives the watch, to be freed with sledstore_watch_free(); NULL on failure.
 * @param error       see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: watch is NULL, or prefix is NULL and prefix_len
 * is not 0; SLEDSTORE_UNSUPPORTED: an option that this version does not have;
 * SLEDSTORE_TOO_MANY_HANDLES: too many live handles; SLEDSTORE_CLOSED: also while another thread is
 * closing the store; the handle statuses.
 *
 * Threads: any number at once. It waits for a write that is under way. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_watch_new(const struct sledstore *store,
                                     const void *prefix,
                                     size_t prefix_len,
                                     const struct sledstore_watch_options *options,
                                     struct sledstore_watch **watch,
                                     struct sledstore_error **error);

/**
 * Gives the next event, and waits for it if there is none.
 *
 * @param watch       the watch.
 * @param timeout_ms  how many milliseconds to wait at most; 0: do not wait; SLEDSTORE_WAIT_FOREVER: as
 *                    long as it takes.
 * @param event       receives the event; all zero unless SLEDSTORE_OK. Its key and its value are valid
 *                    until the next call on this watch.
 * @param error       see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_NO_EVENT: none came within that time; SLEDSTORE_CLOSED: there is
 * none any more, because the store was closed, or the watch was freed meanwhile;
 * SLEDSTORE_KEYSPACE_DROPPED: there is none any more, because the keyspace was dropped or renamed;
 * SLEDSTORE_INVALID_ARGUMENT: event is NULL; SLEDSTORE_BUSY: another thread is in a call on the
 * watch; the handle statuses.
 *
 * Threads: one at a time for each watch. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_watch_next(struct sledstore_watch *watch,
                                      uint32_t timeout_ms,
                                      struct sledstore_event *event,
                                      struct sledstore_error **error);

/**
 * Gives a file descriptor that is readable, for poll(), epoll and event loops, while
 * sledstore_watch_next() has something to tell without waiting: an event, or that the watch has ended.
 *
 * The descriptor is made by the first call, and is closed when the watch is freed: take it out of all
 * polls and loops before that. Only wait for it; do not read, write or close it.
 *
 * @param watch  the watch.
 * @param fd     receives the descriptor; -1 on failure. Each call gives the same one.
 * @param error  see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: fd is NULL; SLEDSTORE_IO: the process or the
 * system has no descriptor to spare; the handle statuses.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_watch_fd(const struct sledstore_watch *watch,
                                    int32_t *fd,
                                    struct sledstore_error **error);

/**
 * Ends a watch and frees it. A thread that waits for its next event is woken, and told
 * SLEDSTORE_CLOSED.
 *
 * @param watch  the watch; NULL does nothing.
 *
 * Statuses: SLEDSTORE_OK, also for NULL; SLEDSTORE_CLOSED: it was freed before;
 * SLEDSTORE_WRONG_HANDLE; SLEDSTORE_FORKED; SLEDSTORE_PANIC.
 *
 * Threads: any. No other thread may be waiting for the descriptor, or reading an event. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_watch_free(struct sledstore_watch *watch);

/**
 * Tells the number of the newest commit that a snapshot shows: where a copy that begins with the
 * snapshot goes on with sledstore_changes_since().
 *
 * @param snapshot  the snapshot.
 * @param sequence  receives the number; 0 on failure.
 * @param error     see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: sequence is NULL; the handle statuses.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_snapshot_sequence(const struct sledstore_snapshot *snapshot,
                                             uint64_t *sequence,
                                             struct sledstore_error **error);

/**
 * Makes a feed of all commits after a given one.
 *
 * @param store     any handle of the store.
 * @param sequence  the number of the last commit that the caller has; 0: from the first one.
 * @param changes   receives the feed, to be freed with sledstore_changes_free(); NULL on failure.
 * @param oldest    receives the smallest number that this call takes at this moment, also with
 *                  SLEDSTORE_TOO_OLD; 0 on other failures. May be NULL.
 * @param error     see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_TOO_OLD: the log does not have the next commit any more;
 * SLEDSTORE_INVALID_ARGUMENT: there was no such commit yet, or changes is NULL;
 * SLEDSTORE_TOO_MANY_HANDLES: too many live handles; the handle statuses; the engine statuses.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_changes_since(const struct sledstore *store,
                                         uint64_t sequence,
                                         struct sledstore_changes **changes,
                                         uint64_t *oldest,
                                         struct sledstore_error **error);

/**
 * Gives the next change.
 *
 * @param changes  the feed.
 * @param change   receives the change; all zero unless SLEDSTORE_OK. What it points to is valid until
 *                 the next call on this feed.
 * @param error    see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_END: there is none yet; ask again when more was written, for
 * example when a watch tells of it; SLEDSTORE_TOO_OLD: the log does not have the next commit any
 * more; SLEDSTORE_INVALID_ARGUMENT: change is NULL; SLEDSTORE_BUSY: another thread is using the feed;
 * the handle statuses; the engine statuses.
 *
 * Threads: one at a time for each feed. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_changes_next(struct sledstore_changes *changes,
                                        struct sledstore_change *change,
                                        struct sledstore_error **error);

/**
 * Frees a feed of changes.
 *
 * @param changes  the feed; NULL does nothing.
 *
 * Statuses: SLEDSTORE_OK, also for NULL; SLEDSTORE_CLOSED: it was freed before;
 * SLEDSTORE_WRONG_HANDLE; SLEDSTORE_FORKED; SLEDSTORE_PANIC.
 *
 * Threads: any. A call of another thread on the feed comes to its end undisturbed. Since 0.1.0.
 */
SLEDSTORE_API sledstore_status sledstore_changes_free(struct sledstore_changes *changes);

/**
 * Copies the store, as it is at one moment, into a new directory: a store like this one, with all
 * keyspaces and expiries, that sledstore_open() opens. Readers and writers go on meanwhile. While it
 * is copied, rows that are overwritten or deleted are kept in memory, as for a snapshot.
 *
 * The copy is made beside the destination, in a directory whose name has ".sledstore-incomplete"
 * behind that of the destination; then it is synced and renamed. So the destination is there when all
 * of it is there and on the disk, and otherwise not at all. What a crash leaves beside it is removed by
 * the next backup to the same destination.
 *
 * @param store        any handle of the store.
 * @param destination  the new directory: the bytes of a file system path with a NUL at the end. Its
 *                     parents are made if need be.
 * @param callback     is told of the progress, see sledstore_progress_callback; NULL: nobody is. With
 *                     a callback all rows are counted first, which adds a walk over them. The struct
 *                     is copied.
 * @param error        see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_ALREADY_EXISTS: there is something at the destination;
 * SLEDSTORE_CANCELLED: the callback has asked for the end; SLEDSTORE_LOCKED: another backup to the
 * same destination is going on; SLEDSTORE_KEYSPACE_DROPPED: a keyspace was dropped meanwhile;
 * SLEDSTORE_CAPACITY_EXCEEDED: what was kept for the backup took more than snapshot_memory;
 * SLEDSTORE_INVALID_ARGUMENT: destination is NULL, empty or inside the store's own directory, or
 * something that no backup has left lies in the way beside it, or callback has no function progress
 * or a wrong struct_size; SLEDSTORE_UNSUPPORTED: callback has a member that this version does not
 * have; SLEDSTORE_REENTRANT: 12 calls with callbacks are under way on this thread, each in the
 * callback of the one before; the handle statuses; the engine statuses, of the copy too. After
 * everything but SLEDSTORE_OK there is nothing at the destination that was not there before, unless
 * the last sync has failed.
 *
 * Threads: any number at once. The callback is called on the calling thread. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_backup(const struct sledstore *store,
                                  const char *destination,
                                  const struct sledstore_progress_callback *callback,
                                  struct sledstore_error **error);

/**
 * Replaces everything in the store, all keyspaces with their expiries, by what is in another store, such
 * as a backup. Keyspaces that the source does not have are dropped. All of it is on the disk after
 * SLEDSTORE_OK.
 *
 * The source is opened as with SLEDSTORE_OPEN_READ_ONLY: no byte of it changes, and a private copy of
 * it takes room in the system's directory for temporary files meanwhile. All of it is read once
 * before anything is changed.
 *
 * A restore is many steps. Readers meanwhile see rows of before and restored ones, and what other threads
 * write may stay or not. If it does not come to its end, the store has both, and goes on working; another
 * restore that comes to its end mends it. But if it is closed, or its process ends, the next
 * sledstore_open() answers SLEDSTORE_CORRUPTION with a message that says so. SLEDSTORE_OPEN_SALVAGE
 * opens it all the same, to restore again.
 *
 * @param store     any handle of the store.
 * @param source    the directory of the other store: the bytes of a file system path with a NUL at the
 *                  end.
 * @param flags     0, or SLEDSTORE_RESTORE_MERGE: nothing is removed, and rows of the source take the
 *                  place of those with the same key.
 * @param callback  is told of the progress, see sledstore_progress_callback; NULL: nobody is. The
 *                  struct is copied.
 * @param error     see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_LOCKED: the source is open elsewhere, or is this store;
 * SLEDSTORE_IO with ENOENT: there is no store at source; SLEDSTORE_CORRUPTION: the source is damaged, or
 * is no store; SLEDSTORE_UNSUPPORTED: the source has a key that is too long for this store, a
 * flag that this version does not know, or callback has a member that it does not know;
 * SLEDSTORE_BUSY: another restore into this store is going on; SLEDSTORE_CANCELLED: the callback has
 * asked for the end; SLEDSTORE_INVALID_ARGUMENT: source is NULL or empty, or callback has no function
 * progress or a wrong struct_size; SLEDSTORE_REENTRANT: as sledstore_backup(); the handle statuses;
 * the engine statuses. Nothing has changed after a failure that came before the callback was told that a
 * row is done, unless that is one of the engine statuses.
 *
 * Threads: any number at once. The callback is called on the calling thread. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_restore(const struct sledstore *store,
                                   const char *source,
                                   uint64_t flags,
                                   const struct sledstore_progress_callback *callback,
                                   struct sledstore_error **error);

/**
 * Gives everything in the store to a callback, all keyspaces with their expiries, as they are at one
 * moment, for another store or another machine: sledstore_load() reads it. Readers and writers go
 * on meanwhile. While it is read, rows that are overwritten or deleted are kept in memory, as for a
 * snapshot.
 *
 * @param store   any handle of the store.
 * @param format  SLEDSTORE_DUMP_BINARY, SLEDSTORE_DUMP_BYTEVALUE or SLEDSTORE_DUMP_PRINT.
 * @param sink    see sledstore_write_callback. The struct is copied.
 * @param error   see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_CANCELLED: the callback has asked for the end;
 * SLEDSTORE_UNSUPPORTED: a format that this version does not have, a text that cannot have the name of
 * a keyspace, because it has a line break or a zero byte, or a member of sink that this version does not
 * have; SLEDSTORE_KEYSPACE_DROPPED: a keyspace was dropped meanwhile; SLEDSTORE_CAPACITY_EXCEEDED: what
 * was kept for the dump took more than snapshot_memory; SLEDSTORE_INVALID_ARGUMENT: sink is NULL or has
 * no function write or a wrong struct_size; SLEDSTORE_REENTRANT: as sledstore_backup(); the handle
 * statuses; the engine statuses. After everything but SLEDSTORE_OK the dump is not whole.
 *
 * Threads: any number at once. The callback is called on the calling thread. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_dump(const struct sledstore *store,
                                uint32_t format,
                                const struct sledstore_write_callback *sink,
                                struct sledstore_error **error);

/**
 * Does the same as sledstore_dump(), to a file, a pipe or a socket. It is written from its present
 * position on, and not closed. Where nobody reads from a pipe any more, the thread gets SIGPIPE as from
 * write(), and with that ignored the call answers SLEDSTORE_IO.
 *
 * @param store   any handle of the store.
 * @param format  as in sledstore_dump().
 * @param fd      an open file descriptor, which nobody closes during the call.
 * @param error   see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_INVALID_ARGUMENT: fd is negative; SLEDSTORE_IO also for what write() answers,
 * SLEDSTORE_DISK_FULL also for the disk of fd; otherwise as sledstore_dump().
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_dump_fd(const struct sledstore *store,
                                   uint32_t format,
                                   int32_t fd,
                                   struct sledstore_error **error);

/**
 * Reads a dump, in whichever format, into the store. Rows take the place of those with the same key;
 * keyspaces are created if need be; all else stays. All of it is on the disk after SLEDSTORE_OK.
 * What has expired by now does not come in.
 *
 * The stream is gathered first, in a directory inside that of the store, which takes as much room as a
 * store of these rows. So nothing is kept of a stream that cannot be read to its end. Then it is merged
 * into the store, as by sledstore_restore(), with what is said there of a restore that does not come to
 * its end.
 *
 * Text may also come from db_dump or mdb_dump: a section without a line database= is the default
 * keyspace. mdb_dump -p of old versions does not mark backslashes, so leave its -p away where there are
 * any. Text has no checksums: one that was cut short between two sections is not noticed.
 *
 * @param store   any handle of the store.
 * @param source  see sledstore_read_callback. The struct is copied.
 * @param error   see sledstore_error; may be NULL. Its message says at which byte of the stream
 *                something was wrong.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_CANCELLED: the callback has asked for the end;
 * SLEDSTORE_CORRUPTION: the stream was cut short or altered, or is no dump; SLEDSTORE_UNSUPPORTED:
 * the stream has what this store cannot have, such as a key that is too long, a name that is not
 * allowed or several values of one key, or source has a member that this version does not have;
 * SLEDSTORE_BUSY: another restore into this store is going on; SLEDSTORE_INVALID_ARGUMENT: source is NULL
 * or has no function read or a wrong struct_size; SLEDSTORE_REENTRANT: as sledstore_backup(); the
 * handle statuses; the engine statuses. Nothing has changed after a failure, unless it is one of the
 * engine statuses and comes from the store itself.
 *
 * Threads: any number at once. The callback is called on the calling thread. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_load(const struct sledstore *store,
                                const struct sledstore_read_callback *source,
                                struct sledstore_error **error);

/**
 * Does the same as sledstore_load(), from a file, a pipe or a socket. It is read from its present
 * position up to its end, and not closed.
 *
 * @param store  any handle of the store.
 * @param fd     an open file descriptor, which nobody closes during the call.
 * @param error  see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_INVALID_ARGUMENT: fd is negative; SLEDSTORE_IO also for what read() answers;
 * otherwise as sledstore_load().
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_load_fd(const struct sledstore *store,
                                   int32_t fd,
                                   struct sledstore_error **error);

/**
 * Tells what a store has done since it was opened, and what it holds. It takes no time to speak of, but with
 * SLEDSTORE_STATS_KEYS, which walks over all keys of the keyspace while readers and writers go on.
 *
 * @param store  a handle of the keyspace.
 * @param flags  0, or SLEDSTORE_STATS_KEYS.
 * @param stats  receives the numbers; start from SLEDSTORE_STATS_INIT. On failure all are 0 but
 *               struct_size.
 * @param error  see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: stats is NULL, or its struct_size is wrong;
 * SLEDSTORE_UNSUPPORTED: a flag that this version does not know; SLEDSTORE_CAPACITY_EXCEEDED: with
 * SLEDSTORE_STATS_KEYS, what was kept for the count took more than snapshot_memory; the handle
 * statuses; the engine statuses.
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_stats(const struct sledstore *store,
                                 uint64_t flags,
                                 struct sledstore_stats_info *stats,
                                 struct sledstore_error **error);

/**
 * Gives the same numbers as text for people: a line for each, UTF-8, without a NUL at the end. The
 * form may change in later versions.
 *
 * @param store  a handle of the keyspace.
 * @param flags  as in sledstore_stats().
 * @param text   receives the text, to be freed with sledstore_value_free(); NULL on failure.
 * @param error  see sledstore_error; may be NULL.
 *
 * Statuses: SLEDSTORE_OK; SLEDSTORE_INVALID_ARGUMENT: text is NULL; SLEDSTORE_TOO_MANY_HANDLES;
 * otherwise as sledstore_stats().
 *
 * Threads: any number at once. Since 0.1.0.
 */
SLEDSTORE_API
sledstore_status sledstore_stats_text(const struct sledstore *store,
                                      uint64_t flags,
                                      struct sledstore_value **text,
                                      struct sledstore_error **error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SLEDSTORE_H */
