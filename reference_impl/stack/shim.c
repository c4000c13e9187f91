/* Loaded before the C library: makes fsync slow or fail, and the wall clock wrong, as a mapped file says.
 *
 * LIVETABLE_SHIM names the file: three int64 (fsync delay ns, fsync errno, wall clock shift ns), changed at any time by
 * whoever breaks things. Without the variable, or without the file, everything is as usual. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define S 1000000000LL

static const int64_t nothing[3];
static volatile const int64_t *told = nothing;

__attribute__((constructor)) static void read_told(void) {
    const char *path = getenv("LIVETABLE_SHIM");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *mapped = mmap(0, sizeof nothing, PROT_READ, MAP_SHARED, file, 0);
    if (mapped != MAP_FAILED) told = mapped;
    close(file);
}

static int broken(void) {
    int64_t delay = told[0];
    if (delay > 0) {
        struct timespec left = {delay / S, delay % S};
        while (nanosleep(&left, &left) && errno == EINTR) continue;
    }
    if (told[1]) errno = (int)told[1];
    return told[1] != 0;
}

#define REAL(name) static __typeof__(name) *real; if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

int fsync(int file) { REAL(fsync); return broken() ? -1 : real(file); }
int fdatasync(int file) { REAL(fdatasync); return broken() ? -1 : real(file); }
int syncfs(int file) { REAL(syncfs); return broken() ? -1 : real(file); }

int clock_gettime(clockid_t clock, struct timespec *now) {
    REAL(clock_gettime);
    int failed = real(clock, now);
    int64_t shift = told[2];
    if (!failed && shift && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t shifted = now->tv_sec * S + now->tv_nsec + shift;
        now->tv_sec = shifted / S;
        now->tv_nsec = shifted % S;
    }
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec fine;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &fine)) return -1;
    now->tv_sec = fine.tv_sec;
    now->tv_usec = fine.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *where) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (where) *where = now.tv_sec;
    return now.tv_sec;
}
