/* sledstore beside the stores that its users would otherwise pick, through the C interface of each.
 *
 * Usage: peers DIRECTORY [ROWS [ROUNDS [LIBRARY]]]
 *
 * The stores take turns, each round in a process of its own and in an empty directory, with the same
 * keys and values in the same order. A figure is the median over the rounds: wall time in nanoseconds a row.
 * Writes go as far as the store takes them without waiting for the disk: a killed process loses none in any of
 * the stores. The rows "durable" wait for the disk. LIBRARY is a directory with another build of sledstore's
 * shared library, such as one without an allocator of its own, which takes part as one more store.
 * The figures of one run compare with each other, and with nothing else.
 *
 * What each store is set to stands in its file here. Where it has the choice, each has a cache of 1 GiB, which all
 * rows fit into, write buffers of 32 MiB, Bloom filters of 10 bits a key, and no compression, because the
 * values cannot be compressed. All else is as a program gets it that sets nothing. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../common/bench.h"
#include "peer.h"
#include "work.h"

enum { MOST_ROUNDS = 15 };

static const struct peer *const peers[] = {
    &peer_sledstore,
#ifdef HAVE_ROCKSDB
    &peer_rocksdb,
#endif
#ifdef HAVE_LEVELDB
    &peer_leveldb,
#endif
#ifdef HAVE_LMDB
    &peer_lmdb,
#endif
#ifdef HAVE_SQLITE
    &peer_sqlite,
#endif
    /* With the other library. */
    &peer_sledstore,
};

enum { PEERS = sizeof peers / sizeof *peers };

void must(int ok, const char *store, const char *words)
{
    if (ok) return;
    fprintf(stderr, "%s: %s\n", store, words ? words : "failed");
    exit(1);
}

/* Says whether the functions of sledstore are those of the library in this directory. */
static int is_loaded_from(const char *library)
{
    char *wanted = realpath(library, NULL), *found = NULL;
    Dl_info info;
    int is_it;
    if (dladdr(dlsym(RTLD_DEFAULT, "sledstore_open"), &info) != 0)
        found = realpath(info.dli_fname, NULL);
    is_it = wanted && found && strncmp(found, wanted, strlen(wanted)) == 0
            && found[strlen(wanted)] == '/';
    free(wanted);
    free(found);
    return is_it;
}

/* In the process of one round: tells the figures to the one that began it. */
static int tell_round(int peer, const char *directory, const char *rows, const char *library)
{
    double own[WORKS];
    must(library == NULL || is_loaded_from(library), "sledstore", "the other library is not there");
    for (int work = 0; work < WORKS; work++) own[work] = -1;
    measure(peers[peer], directory, atol(rows), own);
    return write(STDOUT_FILENO, own, sizeof own) == (ssize_t)sizeof own ? 0 : 1;
}

/* One round of one store, in a process of its own. */
static void round_of(int peer, const char *directory, const char *rows, const char *library,
                     double *result)
{
    char command[4200], number[16];
    const char *name = peers[peer]->name;
    int ends[2], status;
    pid_t child;
    fflush(stdout);
    snprintf(number, sizeof number, "%d", peer);
    must(pipe(ends) == 0, name, "no pipe");
    child = fork();
    must(child >= 0, name, "no process");
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        /* The dynamic linker looks there first. */
        if (library) setenv("LD_LIBRARY_PATH", library, 1);
        execl("/proc/self/exe", "peers", "--round", number, directory, rows, library, (char *)NULL);
        _exit(1);
    }
    close(ends[1]);
    must(read(ends[0], result, sizeof(double) * WORKS) == (ssize_t)(sizeof(double) * WORKS), name,
         "it has failed");
    close(ends[0]);
    waitpid(child, &status, 0);
    must(status == 0, name, "it has failed");
    snprintf(command, sizeof command, "rm -rf '%s/fast' '%s/durable'", directory, directory);
    must(system(command) == 0, name, "its files cannot be removed");
}

static void print_table(int count, int rounds, double results[PEERS][WORKS][MOST_ROUNDS])
{
    printf("| work |");
    for (int peer = 0; peer < count; peer++)
        printf(" %s%s |", peers[peer]->name, peer == PEERS - 1 ? ", the other library" : "");
    printf("\n|---|");
    for (int peer = 0; peer < count; peer++) printf("---|");
    for (int work = 0; work < WORKS; work++) {
        printf("\n| %s |", names[work]);
        for (int peer = 0; peer < count; peer++) {
            double median = quantile(results[peer][work], (size_t)rounds, 0.5);
            median < 0 ? printf(" - |") : printf(" %.0f |", median);
        }
    }
    printf("\n");
}

int main(int count, char **arguments)
{
    static double results[PEERS][WORKS][MOST_ROUNDS];
    const char *rows = count > 2 ? arguments[2] : "1000000";
    const char *library = count > 4 ? arguments[4] : NULL;
    int rounds = count > 3 ? atoi(arguments[3]) : 3, stores = library ? PEERS : PEERS - 1;
    if (count >= 5 && strcmp(arguments[1], "--round") == 0)
        return tell_round(atoi(arguments[2]), arguments[3], arguments[4],
                          count > 5 ? arguments[5] : NULL);
    if (count < 2 || atol(rows) < 10000 || rounds < 1 || rounds > MOST_ROUNDS) {
        fprintf(stderr, "usage: %s DIRECTORY [ROWS (10000 or more) [ROUNDS (1 to %d) [LIBRARY]]]\n",
                arguments[0], MOST_ROUNDS);
        return 2;
    }
    for (int round = 0; round < rounds; round++)
        for (int peer = 0; peer < stores; peer++) {
            double result[WORKS];
            const char *own_library = peer == PEERS - 1 ? library : NULL;
            fprintf(stderr, "round %d of %d: %s\n", round + 1, rounds, peers[peer]->name);
            round_of(peer, arguments[1], rows, own_library, result);
            for (int work = 0; work < WORKS; work++) results[peer][work][round] = result[work];
        }
    printf("%s rows of %d + %d bytes, medians of %d rounds, ns a row unless it says otherwise.\n\n",
           rows, KEY, VALUE, rounds);
    print_table(stores, rounds, results);
    return 0;
}
