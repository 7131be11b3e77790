/*
 * Loaded into a program by LD_PRELOAD, writes down what it does to the files below one folder, so that a test
 * can tell what a disk holds after a power cut.
 *
 *   POWER_CUT_TRACE   the file to append to; without it nothing is done
 *   UPDRAFT_DATA_DIR  the folder
 *   POWER_CUT_KILL    the operation before which the program kills itself, counted from one (optional)
 *
 * One record an operation, in the order in which the operations were done, little-endian:
 *
 *   length: u32 (of what follows), operation: u8, handle: u32, number: u64, content
 *
 *   1 open      number: 1 the file was made, 2 it was emptied, 4 it is a folder   content: path
 *   2 write     number: offset                                                    content: bytes
 *   3 truncate  number: size
 *   4 sync
 *   5 rename    content: old path, 0, new path
 *   6 remove    content: path
 *   7 folder    content: path of a folder that was made
 *   8 start     of a process; handles begin anew
 *
 * Paths are relative to the folder. A sync is only written down: no test cuts real power. What SQLite keeps in
 * shared memory (-shm) is left out, since it is worth nothing after a cut.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS 65536

enum { OPEN = 1, WRITE, TRUNCATE, SYNC, RENAME, REMOVE, FOLDER, START };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int trace = -1;
static char folder[PATH_MAX];
static size_t folder_length;
static uint32_t handles[FDS];
static uint32_t last_handle;
static long operations, kill_at;

/* The path below the folder; "" is the folder itself, NULL another place. */
static const char *inside(const char *path)
{
    if (trace < 0 || !path || strncmp(path, folder, folder_length) != 0)
        return NULL;
    const char *rest = path + folder_length;
    if (*rest == 0)
        return rest;
    size_t length = strlen(rest);
    if (*rest != '/' || (length > 4 && strcmp(rest + length - 4, "-shm") == 0))
        return NULL;
    return rest + 1;
}

static uint32_t handle_of(int fd)
{
    return fd >= 0 && fd < FDS ? handles[fd] : 0;
}

/* Before the operation is done. */
static void begin(void)
{
    pthread_mutex_lock(&lock);
    if (kill_at && ++operations == kill_at)
        kill(getpid(), SIGKILL);
}

/* Written down while the lock is held, so that the order is that of the disk. */
static void note(uint8_t operation, uint32_t handle, uint64_t number, const struct iovec *parts, int count)
{
    struct iovec all[10];
    unsigned char head[17];
    uint32_t length = sizeof head - 4;
    int error = errno;
    for (int part = 0; part < count; part++) {
        length += parts[part].iov_len;
        all[part + 1] = parts[part];
    }
    memcpy(head, &length, 4);
    head[4] = operation;
    memcpy(head + 5, &handle, 4);
    memcpy(head + 9, &number, 8);
    all[0] = (struct iovec) { head, sizeof head };
    if (syscall(SYS_writev, trace, all, count + 1) != (long) length + 4)
        abort();
    errno = error;
}

static void end(void)
{
    pthread_mutex_unlock(&lock);
}

static void note_path(uint8_t operation, uint32_t handle, uint64_t number, const char *path)
{
    struct iovec part = { (void *) path, strlen(path) };
    note(operation, handle, number, &part, 1);
}

__attribute__((constructor)) static void start(void)
{
    const char *file = getenv("POWER_CUT_TRACE"), *data = getenv("UPDRAFT_DATA_DIR");
    const char *kill_text = getenv("POWER_CUT_KILL");
    if (!file || !data)
        return;
    if (!realpath(data, folder)) {
        /* It is made later; its parent is there. */
        char parent[PATH_MAX], copy[PATH_MAX];
        strncpy(copy, data, sizeof copy - 1);
        copy[sizeof copy - 1] = 0;
        char *slash = strrchr(copy, '/');
        if (!slash)
            return;
        *slash = 0;
        if (!realpath(copy, parent) || strlen(parent) + strlen(slash + 1) + 2 > sizeof folder)
            return;
        strcpy(folder, parent);
        strcat(folder, "/");
        strcat(folder, slash + 1);
    }
    folder_length = strlen(folder);
    kill_at = kill_text ? atol(kill_text) : 0;
    trace = syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (trace >= 0)
        note(START, 0, 0, NULL, 0);
}

static int open_at(int at, const char *path, int flags, mode_t mode)
{
    const char *name = inside(path);
    if (!name)
        return syscall(SYS_openat, at, path, flags, mode);
    struct stat before, after;
    begin();
    int made = (flags & O_CREAT) && stat(path, &before) != 0;
    int fd = syscall(SYS_openat, at, path, flags, mode);
    if (fd >= FDS)
        abort();
    if (fd >= 0 && fstat(fd, &after) == 0) {
        handles[fd] = ++last_handle;
        note_path(OPEN, last_handle, made | (flags & O_TRUNC ? 2 : 0) | (S_ISDIR(after.st_mode) ? 4 : 0), name);
    }
    end();
    return fd;
}

#define MODE(flags, last) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { \
        va_list arguments; \
        va_start(arguments, last); \
        mode = va_arg(arguments, mode_t); \
        va_end(arguments); \
    }

int open(const char *path, int flags, ...)
{
    MODE(flags, flags)
    return open_at(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    MODE(flags, flags)
    return open_at(AT_FDCWD, path, flags, mode);
}

int openat(int at, const char *path, int flags, ...)
{
    MODE(flags, flags)
    return open_at(at, path, flags, mode);
}

int openat64(int at, const char *path, int flags, ...)
{
    MODE(flags, flags)
    return open_at(at, path, flags, mode);
}

int close(int fd)
{
    if (fd >= 0 && fd < FDS)
        handles[fd] = 0;
    return syscall(SYS_close, fd);
}

ssize_t write(int fd, const void *bytes, size_t length)
{
    uint32_t handle = handle_of(fd);
    if (!handle)
        return syscall(SYS_write, fd, bytes, length);
    begin();
    ssize_t written = syscall(SYS_write, fd, bytes, length);
    if (written > 0) {
        struct iovec part = { (void *) bytes, written };
        note(WRITE, handle, syscall(SYS_lseek, fd, 0, SEEK_CUR) - written, &part, 1);
    }
    end();
    return written;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    uint32_t handle = handle_of(fd);
    if (!handle)
        return syscall(SYS_writev, fd, parts, count);
    /* A short write is allowed. */
    return count > 0 ? write(fd, parts[0].iov_base, parts[0].iov_len) : 0;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset)
{
    uint32_t handle = handle_of(fd);
    if (!handle)
        return syscall(SYS_pwrite64, fd, bytes, length, offset);
    begin();
    ssize_t written = syscall(SYS_pwrite64, fd, bytes, length, offset);
    if (written > 0) {
        struct iovec part = { (void *) bytes, written };
        note(WRITE, handle, offset, &part, 1);
    }
    end();
    return written;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    return pwrite64(fd, bytes, length, offset);
}

int ftruncate64(int fd, off64_t size)
{
    uint32_t handle = handle_of(fd);
    if (!handle)
        return syscall(SYS_ftruncate, fd, size);
    begin();
    int failed = syscall(SYS_ftruncate, fd, size);
    if (!failed)
        note(TRUNCATE, handle, size, NULL, 0);
    end();
    return failed;
}

int ftruncate(int fd, off_t size)
{
    return ftruncate64(fd, size);
}

int fsync(int fd)
{
    uint32_t handle = handle_of(fd);
    if (!handle)
        return syscall(SYS_fsync, fd);
    begin();
    note(SYNC, handle, 0, NULL, 0);
    end();
    return 0;
}

int fdatasync(int fd)
{
    return handle_of(fd) ? fsync(fd) : syscall(SYS_fdatasync, fd);
}

int rename(const char *from, const char *to)
{
    const char *old = inside(from), *new = inside(to);
    if (!old || !new)
        return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    begin();
    int failed = syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (!failed) {
        struct iovec parts[2] = { { (void *) old, strlen(old) + 1 }, { (void *) new, strlen(new) } };
        note(RENAME, 0, 0, parts, 2);
    }
    end();
    return failed;
}

int unlink(const char *path)
{
    const char *name = inside(path);
    if (!name)
        return syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    begin();
    int failed = syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    if (!failed)
        note_path(REMOVE, 0, 0, name);
    end();
    return failed;
}

int mkdir(const char *path, mode_t mode)
{
    const char *name = inside(path);
    if (!name || !*name)
        return syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    begin();
    int failed = syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    if (!failed)
        note_path(FOLDER, 0, 0, name);
    end();
    return failed;
}
