/* The second library of calls_program.c: it knows nothing of stores. */
#define _GNU_SOURCE
#include "calls.h"

int second_library_calls(const char *directory);

int second_library_calls(const char *directory) { return check_calls(directory); }
