/*
 * The files and directories that recorder.c has seen. Its lock is held in all of these functions.
 */
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct node {
    dev_t device;
    ino_t inode;
};

/* By number; 0 is the recorded directory. An inode number that is given out again is found under its
 * last owner. */
static struct node *nodes;
static uint32_t node_count, node_room;

/* Without a complete record nothing that follows means anything. */
static void give_up(const char *why) {
    fprintf(stderr, "recorder: %s: %s\n", why, strerror(errno));
    abort();
}

static void add_node(const struct stat *found) {
    if (node_count == node_room) {
        node_room = node_room ? 2 * node_room : 64;
        nodes = realloc(nodes, node_room * sizeof *nodes);
        if (!nodes) give_up("no memory");
    }
    nodes[node_count].device = found->st_dev;
    nodes[node_count++].inode = found->st_ino;
}

/* The node's number, -1 when it is not below the directory. */
static int64_t node_of(const struct stat *found) {
    for (uint32_t i = node_count; i-- > 0;)
        if (nodes[i].inode == found->st_ino && nodes[i].device == found->st_dev) return i;
    return -1;
}

static int64_t node_of_descriptor(int descriptor) {
    struct stat found;
    int error = errno;
    int64_t node = node_count && fstat(descriptor, &found) == 0 ? node_of(&found) : -1;
    errno = error;
    return node;
}

/* The number of the directory that `path` names something in, and that something's name. */
static int64_t parent_of(int directory, const char *path, char name[NAME_MAX + 1]) {
    char parent[PATH_MAX];
    struct stat found;
    int error = errno;
    int64_t node = -1;
    size_t length = path ? strlen(path) : 0;
    while (length > 1 && path[length - 1] == '/') length--;
    if (!node_count || length == 0 || length >= sizeof parent) return -1;
    size_t split = length;
    while (split > 0 && path[split - 1] != '/') split--;
    memcpy(parent, path, split);
    strcpy(parent + split, ".");
    if (length - split <= NAME_MAX && fstatat(directory, parent, &found, 0) == 0) node = node_of(&found);
    memcpy(name, path + split, node < 0 ? 0 : length - split);
    name[node < 0 ? 0 : length - split] = '\0';
    errno = error;
    return node;
}
