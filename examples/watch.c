/*
 * watch: one thread writes scores, another keeps the best of them.
 *     build/watch     a writer, and a reader that waits in poll(), as an event loop does
 */
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sledstore.h"

enum { GAMES = 5000, PLAYERS = 7 };

static void check(const char *task, sledstore_status status)
{
    if (status >= 0) return;
    fprintf(stderr, "watch: cannot %s: %s\n", task, sledstore_status_name(status));
    exit(1);
}

/* The score of a game: no two are alike, and the best comes somewhere in the middle. */
static uint32_t score_of(int game)
{
    return (uint32_t)game * 3571 % GAMES;
}

static void *play(void *ctx)
{
    sledstore *store = ctx;
    for (int game = 0; game < GAMES; game++) {
        char key[32];
        uint32_t score = score_of(game);
        int len = snprintf(key, sizeof key, "score:%d", game % PLAYERS);
        check("write", sledstore_put(store, key, (size_t)len, &score, sizeof score, NULL));
        check("write", sledstore_put(store, "games", 5, &game, sizeof game, NULL));
    }
    /* The end of the store is the end of the watch, which tells of all that came before. */
    check("close", sledstore_close(store, NULL));
    return NULL;
}

int main(void)
{
    sledstore *store;
    sledstore_watch *watch;
    sledstore_watch_options options = SLEDSTORE_WATCH_OPTIONS_INIT;
    sledstore_event event;
    sledstore_status status = SLEDSTORE_OK;
    struct pollfd wait = {-1, POLLIN, 0};
    pthread_t player;
    uint32_t best = 0;
    uint64_t last = 0;
    int events = 0, inserts = 0, in_order = 1;

    check("open", sledstore_open_temporary(NULL, &store, NULL));
    /* Room for everything: with less, a slow reader is told how much it has lost. */
    options.max_events = GAMES;
    check("watch", sledstore_watch_new(store, "score:", 6, &options, &watch, NULL));
    check("get the descriptor", sledstore_watch_fd(watch, &wait.fd, NULL));
    if (pthread_create(&player, NULL, play, store) != 0) return 1;

    while (status >= 0) {
        /* An event loop would wait for other descriptors too. */
        if (poll(&wait, 1, -1) < 0) return 1;
        while ((status = sledstore_watch_next(watch, 0, &event, NULL)) == SLEDSTORE_OK) {
            uint32_t score;
            if (event.value.len != sizeof score) return 1;
            memcpy(&score, event.value.data, sizeof score);
            if (score > best) best = score;
            inserts += event.kind == SLEDSTORE_EVENT_INSERT;
            in_order &= event.sequence > last && score == score_of(events);
            last = event.sequence;
            events++;
        }
    }
    pthread_join(player, NULL);
    check("free the watch", sledstore_watch_free(watch));
    printf("%d scores of %d players, the best is %u\n", events, inserts, (unsigned)best);
    return status != SLEDSTORE_CLOSED || events != GAMES || inserts != PLAYERS || !in_order
           || best != GAMES - 1;
}
