/* Makes every sync of a program take one millisecond longer, as a slower disk would:
 *
 *   cc -shared -fPIC -o target/slow-sync.so tests/bench/slow-sync.c
 *   LD_PRELOAD=$PWD/target/slow-sync.so target/release/bench \
 *       --targets crash,power --connections 256 --sizes 700B,3.4kB --seconds 1
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

static int slowly(const char *name, int fd) {
    int (*sync)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    int result = sync(fd);
    struct timespec millisecond = {0, 1000000};
    nanosleep(&millisecond, 0);
    return result;
}

int fsync(int fd) { return slowly("fsync", fd); }

int fdatasync(int fd) { return slowly("fdatasync", fd); }
