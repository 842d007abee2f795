/* Stands between a process and its disk (LD_PRELOAD): writes down, in order, what reaches the files below $ORIEL_DISK_ROOT,
 * so that a test can make the disk of any moment of a power cut; and lets the disk fail while $ORIEL_DISK_TROUBLE says so.
 *
 * A record of the log: op, path length, offset, data length (three 64-bit numbers), path, data. Ops: o made or emptied,
 * w written, t cut, s synced, r renamed (the data is the new path), u removed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define FDS 4096
static char *paths[FDS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;

#define REAL(name) ({ static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name); real; })

static int ours(const char *path) {
    const char *root = getenv("ORIEL_DISK_ROOT");
    return root && path && strncmp(path, root, strlen(root)) == 0;
}

static void put(const void *bytes, size_t count) {
    const char *at = bytes;
    while (count > 0) {
        ssize_t done = REAL(write)(log_fd, at, count);
        if (done <= 0) abort();
        at += done;
        count -= (size_t)done;
    }
}

static void note(char op, const char *path, uint64_t offset, const void *data, uint64_t length) {
    const char *log = getenv("ORIEL_DISK_LOG");
    if (!log) return;
    if (log_fd < 0) log_fd = REAL(open)(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    uint64_t head[3] = {strlen(path), offset, length};
    put(&op, 1);
    put(head, sizeof head);
    put(path, head[0]);
    put(data, length);
}

/* Nonzero: the errno of a disk that takes nothing. */
static int trouble(void) {
    const char *path = getenv("ORIEL_DISK_TROUBLE");
    char word[16] = {0};
    if (!path) return 0;
    int fd = REAL(open)(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t count = read(fd, word, sizeof word - 1);
    REAL(close)(fd);
    if (count <= 0) return 0;
    if (strncmp(word, "full", 4) == 0) return ENOSPC;
    if (strncmp(word, "readonly", 8) == 0) return EROFS;
    return EIO;
}

static int opened(int fd, const char *path, int flags, int existed) {
    if (fd < 0 || fd >= FDS || !ours(path)) return fd;
    pthread_mutex_lock(&lock);
    free(paths[fd]);
    paths[fd] = strdup(path);
    if ((flags & O_TRUNC) || !existed) note('o', path, 0, "", 0);
    pthread_mutex_unlock(&lock);
    return fd;
}

#define OPEN(name)                                                                                                             \
    int name(const char *path, int flags, ...) {                                                                               \
        va_list rest;                                                                                                          \
        va_start(rest, flags);                                                                                                 \
        mode_t mode = va_arg(rest, mode_t);                                                                                    \
        va_end(rest);                                                                                                          \
        int writes = ours(path) && (flags & O_ACCMODE) != O_RDONLY, existed = access(path, F_OK) == 0;                         \
        if (writes && !existed && (errno = trouble())) return -1;                                                              \
        return opened(REAL(name)(path, flags, mode), path, writes ? flags : 0, existed || !writes);                            \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                                                           \
    int name(int folder, const char *path, int flags, ...) {                                                                   \
        va_list rest;                                                                                                          \
        va_start(rest, flags);                                                                                                 \
        mode_t mode = va_arg(rest, mode_t);                                                                                    \
        va_end(rest);                                                                                                          \
        int writes = ours(path) && (flags & O_ACCMODE) != O_RDONLY, existed = access(path, F_OK) == 0;                         \
        if (writes && !existed && (errno = trouble())) return -1;                                                              \
        return opened(REAL(name)(folder, path, flags, mode), path, writes ? flags : 0, existed || !writes);                    \
    }
OPENAT(openat)
OPENAT(openat64)

int close(int fd) {
    pthread_mutex_lock(&lock);
    if (fd >= 0 && fd < FDS) {
        free(paths[fd]);
        paths[fd] = NULL;
    }
    pthread_mutex_unlock(&lock);
    return REAL(close)(fd);
}

static int watched(int fd) { return fd >= 0 && fd < FDS && paths[fd]; }

ssize_t write(int fd, const void *data, size_t count) {
    if (!watched(fd)) return REAL(write)(fd, data, count);
    int why = trouble();
    if (why) return errno = why, -1;
    pthread_mutex_lock(&lock);
    ssize_t done = REAL(write)(fd, data, count);
    off_t end = lseek(fd, 0, SEEK_CUR);
    if (done > 0 && paths[fd]) note('w', paths[fd], (uint64_t)(end - done), data, (uint64_t)done);
    pthread_mutex_unlock(&lock);
    return done;
}

#define PWRITE(name, type)                                                                                                     \
    ssize_t name(int fd, const void *data, size_t count, type offset) {                                                        \
        if (!watched(fd)) return REAL(name)(fd, data, count, offset);                                                          \
        int why = trouble();                                                                                                   \
        if (why) return errno = why, -1;                                                                                       \
        pthread_mutex_lock(&lock);                                                                                             \
        ssize_t done = REAL(name)(fd, data, count, offset);                                                                    \
        if (done > 0 && paths[fd]) note('w', paths[fd], (uint64_t)offset, data, (uint64_t)done);                               \
        pthread_mutex_unlock(&lock);                                                                                           \
        return done;                                                                                                           \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define CUT(name, type)                                                                                                        \
    int name(int fd, type length) {                                                                                            \
        if (!watched(fd)) return REAL(name)(fd, length);                                                                       \
        pthread_mutex_lock(&lock);                                                                                             \
        int done = REAL(name)(fd, length);                                                                                     \
        if (done == 0 && paths[fd]) note('t', paths[fd], (uint64_t)length, "", 0);                                             \
        pthread_mutex_unlock(&lock);                                                                                           \
        return done;                                                                                                           \
    }
CUT(ftruncate, off_t)
CUT(ftruncate64, off64_t)

#define SYNC(name)                                                                                                             \
    int name(int fd) {                                                                                                         \
        if (!watched(fd)) return REAL(name)(fd);                                                                               \
        int why = trouble();                                                                                                   \
        if (why) return errno = why, -1;                                                                                       \
        pthread_mutex_lock(&lock);                                                                                             \
        int done = REAL(name)(fd);                                                                                             \
        if (done == 0 && paths[fd]) note('s', paths[fd], 0, "", 0);                                                            \
        pthread_mutex_unlock(&lock);                                                                                           \
        return done;                                                                                                           \
    }
SYNC(fsync)
SYNC(fdatasync)

int rename(const char *from, const char *to) {
    pthread_mutex_lock(&lock);
    int done = REAL(rename)(from, to);
    if (done == 0 && ours(from)) note('r', from, 0, to, strlen(to));
    pthread_mutex_unlock(&lock);
    return done;
}

int unlink(const char *path) {
    pthread_mutex_lock(&lock);
    int done = REAL(unlink)(path);
    if (done == 0 && ours(path)) note('u', path, 0, "", 0);
    pthread_mutex_unlock(&lock);
    return done;
}
