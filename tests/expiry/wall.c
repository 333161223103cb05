/* A wall clock that a test can set: loaded into a child of `wall.rs`. */
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile long shift;

void wall_shift(long seconds)
{
    shift = seconds;
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    long result = syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && clock == CLOCK_REALTIME) {
        time->tv_sec += shift;
    }
    return (int)result;
}
