/* The fastest small commits that one thread can make: does any of them stall, and does memory grow?
 *
 * Usage: stalls DIRECTORY [SECONDS [ROWS [all]]]
 *
 * One run of so many seconds and one of so many rows, each in a process and a store of its own: puts of
 * new random keys, 16 + 100 bytes, without a pause. "all" also prints the rate of each half second. */
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

enum { HALF = 500000000, MOST_HALVES = 1 << 16 };

static struct lengths lengths;
/* The puts in each half second. */
static double halves[MOST_HALVES];
static size_t half;

/* Puts rows until there are so many, or so much time has passed. */
static void put_rows(sledstore *store, uint64_t rows, double seconds)
{
    char key[KEY], value[VALUE];
    double begun = now(), before = begun;
    for (uint64_t row = 0; row < rows && before < begun + seconds * 1e9 && half < MOST_HALVES;
         row++) {
        double after;
        make_key(key, row);
        make_value(value, row);
        before = now();
        must(sledstore_put(store, key, KEY, value, VALUE, &error));
        after = now();
        note(&lengths, after - before);
        /* One that stalls leaves half seconds without any. */
        while (half < MOST_HALVES - 1 && after >= begun + (double)(half + 1) * HALF) half++;
        halves[half]++;
    }
}

static void run(const char *what, const char *path, uint64_t rows, double seconds, int all)
{
    sledstore *store = open_store(path);
    struct rusage usage;
    double begun;
    put_rows(store, rows, seconds);
    begun = now();
    must(sledstore_close(store, &error));
    getrusage(RUSAGE_SELF, &usage);
    printf("| %s | %llu | %.1f | %.1f | %.1f | %.1f |", what, (unsigned long long)lengths.calls,
           length_at(&lengths, 0.5) / 1e3, length_at(&lengths, 0.99) / 1e3,
           length_at(&lengths, 0.999) / 1e3, lengths.longest / 1e6);
    if (all)
        for (size_t place = 0; place < half; place++) fprintf(stderr, "%.0f\n", halves[place]);
    /* The last half second is not a whole one. */
    if (half == 0) half = 1;
    printf(" %.0f | %.0f | %.0f |", quantile(halves, half, 0), quantile(halves, half, 0.5),
           quantile(halves, half, 1));
    printf(" %.0f | %.0f |\n", (double)usage.ru_maxrss / 1024, (now() - begun) / 1e6);
    fflush(stdout);
}

/* A process of its own, whose memory nothing else was in. */
static void run_apart(const char *what, const char *path, uint64_t rows, double seconds, int all)
{
    int status;
    pid_t child = fork();
    if (child < 0) fail("no process");
    if (child == 0) {
        run(what, path, rows, seconds, all);
        _exit(0);
    }
    if (waitpid(child, &status, 0) != child || status != 0) fail("a run has failed");
    remove_all(path);
}

int main(int count, char **arguments)
{
    double seconds = count > 2 ? atof(arguments[2]) : 60;
    long rows = count > 3 ? atol(arguments[3]) : 5000000;
    int all = count > 4 && strcmp(arguments[4], "all") == 0;
    char path[4096], what[64];
    if (count < 2 || seconds <= 0 || seconds > 30000 || rows < 1 || (count > 4 && !all)) {
        fprintf(stderr, "usage: %s DIRECTORY [SECONDS (up to 30000) [ROWS [all]]]\n", arguments[0]);
        return 2;
    }
    snprintf(path, sizeof path, "%s/stalls", arguments[1]);
    printf("Puts of %d + %d bytes without a pause: time of a call, puts in half a second, the most "
           "memory.\n\n",
           KEY, VALUE);
    printf("| run | puts | p50, us | p99, us | p99.9, us | longest, ms | least in half a second | "
           "median | "
           "most | memory, MiB | close, ms |\n|---|---|---|---|---|---|---|---|---|---|---|\n");
    fflush(stdout);
    snprintf(what, sizeof what, "%.0f seconds", seconds);
    run_apart(what, path, UINT64_MAX, seconds, all);
    snprintf(what, sizeof what, "%ld rows", rows);
    run_apart(what, path, (uint64_t)rows, 1e9, all);
    return 0;
}
