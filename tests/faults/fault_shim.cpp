// Preloaded into a run, it makes one call fail that works everywhere else: the faults that a machine seldom
// shows.
//   EBB_FAULT_RANK=1        the rank that it acts in (all others are left alone)
//   EBB_FAULT_BLOCK=n       the n-th block that LibTorch's CPU allocator or ebb itself takes is refused, and
//   every
//                           later one of the same thread, since ebb asks again after it has made room
//   EBB_FAULT_KILL=1        there, and at EBB_FAULT_WRITE, the process gets SIGKILL instead
//   EBB_FAULT_WRITE=n       the n-th write, fsync, rename or link below a folder `checkpoints` fails,
//   EBB_FAULT_ERROR=ENOSPC  … with this: ENOSPC, EIO, or SHORT (half of the bytes are written, then ENOSPC)
//   EBB_FAULT_COUNT=FILE    at the end, writes how many blocks and how many such calls there were
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>

extern "C" void* __libc_memalign(std::size_t alignment, std::size_t bytes);

namespace {

std::atomic<long> blocks{0};
std::atomic<long> calls{0};

long number(const char* name) {
  const char* text = getenv(name);
  return text == nullptr ? -1 : atol(text);
}

bool acts() {
  static const bool yes = [] {
    const char* rank = getenv("OMPI_COMM_WORLD_RANK");
    return rank != nullptr && strcmp(program_invocation_short_name, "ebb") == 0 &&
           atol(rank) == number("EBB_FAULT_RANK");
  }();
  return yes;
}

bool counts(const void* caller) {
  Dl_info who;
  if (dladdr(caller, &who) == 0 || who.dli_fname == nullptr) return false;
  const char* slash = strrchr(who.dli_fname, '/');
  const char* name = slash == nullptr ? who.dli_fname : slash + 1;
  return strcmp(name, "libc10.so") == 0 || strcmp(name, "ebb") == 0;
}

template <class F>
F next(const char* name) {
  return reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
}

void kill_if_asked() {
  if (getenv("EBB_FAULT_KILL") != nullptr) kill(getpid(), SIGKILL);
}

bool refused() {
  static const long at = number("EBB_FAULT_BLOCK");
  static thread_local bool from_now_on = false;
  if (++blocks == at) {
    kill_if_asked();
    from_now_on = true;
  }
  return from_now_on;
}

// Whether the call about this path is the one to fail. Once the disk is full it stays so.
bool fails(const char* path) {
  if (!acts() || strstr(path, "/checkpoints") == nullptr) return false;
  static const long at = number("EBB_FAULT_WRITE");
  const long call = ++calls;
  if (call == at) kill_if_asked();
  return at > 0 && call >= at;
}

bool fails(int fd) {
  if (!acts()) return false;
  char link[64];
  char path[4096] = {};
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  return readlink(link, path, sizeof path - 1) > 0 && fails(path);
}

const char* kind() {
  const char* text = getenv("EBB_FAULT_ERROR");
  return text == nullptr ? "ENOSPC" : text;
}

int refuse() {
  errno = strcmp(kind(), "EIO") == 0 ? EIO : ENOSPC;
  return -1;
}

struct Report {
  ~Report() {
    const char* path = getenv("EBB_FAULT_COUNT");
    if (path == nullptr || !acts()) return;
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    dprintf(fd, "%ld %ld\n", blocks.load(), calls.load());
    close(fd);
  }
} report;

}  // namespace

extern "C" {

int posix_memalign(void** out, std::size_t alignment, std::size_t bytes) noexcept {
  if (acts() && counts(__builtin_return_address(0)) && refused()) return ENOMEM;
  *out = __libc_memalign(alignment, bytes);
  return *out == nullptr ? ENOMEM : 0;
}

// Large blocks: ebb maps them itself.
void* mmap(void* at_address, std::size_t bytes, int protection, int flags, int fd, off_t offset) noexcept {
  static const auto real = next<void* (*)(void*, std::size_t, int, int, int, off_t)>("mmap");
  if ((flags & MAP_ANONYMOUS) != 0 && acts() && counts(__builtin_return_address(0)) && refused()) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  return real(at_address, bytes, protection, flags, fd, offset);
}

ssize_t write(int fd, const void* data, std::size_t bytes) {
  static const auto real = next<ssize_t (*)(int, const void*, std::size_t)>("write");
  if (fails(fd)) {
    static std::atomic<bool> once{true};
    if (strcmp(kind(), "SHORT") == 0 && once.exchange(false) && bytes > 1) return real(fd, data, bytes / 2);
    return refuse();
  }
  return real(fd, data, bytes);
}

int fsync(int fd) {
  static const auto real = next<int (*)(int)>("fsync");
  return fails(fd) ? refuse() : real(fd);
}

int rename(const char* from, const char* to) noexcept {
  static const auto real = next<int (*)(const char*, const char*)>("rename");
  return fails(to) ? refuse() : real(from, to);
}

int link(const char* from, const char* to) noexcept {
  static const auto real = next<int (*)(const char*, const char*)>("link");
  return fails(to) ? refuse() : real(from, to);
}

}  // extern "C"
