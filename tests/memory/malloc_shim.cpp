// SPDX-License-Identifier: Apache-2.0
// Counts the live bytes that LibTorch's CPU allocator and the program itself allocate by posix_memalign,
// without the ledger. Preloaded into a process, it wraps malloc. It leaves out blocks of other libraries
// (oneDNN inside LibTorch, MPI), which it recognises by the caller.
//
// With EBB_SHIM_LOG=FILE it writes a line to FILE.<rank> for each line of the process's memory log: the live
// bytes at that moment.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

extern "C" void* __libc_memalign(std::size_t alignment, std::size_t bytes);
extern "C" void __libc_free(void* block);

namespace {

// A fixed table without malloc, since it wraps malloc. Twice as many slots as any test has blocks.
constexpr std::size_t kSlots = 1 << 16;
struct Slot {
  void* block;
  std::int64_t bytes;
};
Slot slots[kSlots];
std::int64_t live_bytes = 0;
std::int64_t total_blocks = 0;
std::atomic<std::int64_t> mapped_bytes{0};
std::atomic_flag lock_flag = ATOMIC_FLAG_INIT;

struct Lock {
  Lock() {
    while (lock_flag.test_and_set(std::memory_order_acquire)) {
    }
  }
  ~Lock() { lock_flag.clear(std::memory_order_release); }
};

std::size_t home(const void* block) {
  return (reinterpret_cast<std::uintptr_t>(block) >> 6) % kSlots;
}
// The tombstone of a freed block: blocks that probed past it are still found.
void* const kGone = reinterpret_cast<void*>(1);

bool counts(const void* caller) {
  Dl_info who;
  if (dladdr(caller, &who) == 0 || who.dli_fname == nullptr) return false;
  const char* const name =
      strrchr(who.dli_fname, '/') != nullptr ? strrchr(who.dli_fname, '/') + 1 : who.dli_fname;
  return strcmp(name, "libc10.so") == 0 || strcmp(name, program_invocation_short_name) == 0;
}

void add(void* block, std::int64_t bytes) {
  const Lock lock;
  std::size_t i = home(block);
  while (slots[i].block != nullptr && slots[i].block != kGone) i = (i + 1) % kSlots;
  slots[i] = {block, bytes};
  live_bytes += bytes;
  ++total_blocks;
}

void take(void* block) {
  const Lock lock;
  for (std::size_t i = home(block); slots[i].block != nullptr; i = (i + 1) % kSlots) {
    if (slots[i].block != block) continue;
    live_bytes -= slots[i].bytes;
    slots[i].block = kGone;
    return;
  }
}

}  // namespace

extern "C" {

int posix_memalign(void** out, std::size_t alignment, std::size_t bytes) {
  void* const block = __libc_memalign(alignment, bytes);
  if (block == nullptr) return ENOMEM;
  if (counts(__builtin_return_address(0))) add(block, static_cast<std::int64_t>(bytes));
  *out = block;
  return 0;
}

void free(void* block) {
  if (block == nullptr) return;
  // Only blocks aligned to 64 count; others need no look-up.
  if (reinterpret_cast<std::uintptr_t>(block) % 64 == 0) take(block);
  __libc_free(block);
}

// Anonymous mappings of the program itself, which it unmaps only as whole blocks.
void* mmap(void* at, std::size_t bytes, int protection, int flags, int fd, off_t offset) noexcept {
  static const auto real =
      reinterpret_cast<void* (*)(void*, std::size_t, int, int, int, off_t)>(dlsym(RTLD_NEXT, "mmap"));
  void* const block = real(at, bytes, protection, flags, fd, offset);
  if (block != MAP_FAILED && (flags & MAP_ANONYMOUS) != 0 && counts(__builtin_return_address(0)))
    mapped_bytes += static_cast<std::int64_t>(bytes);
  return block;
}

int munmap(void* block, std::size_t bytes) noexcept {
  static const auto real = reinterpret_cast<int (*)(void*, std::size_t)>(dlsym(RTLD_NEXT, "munmap"));
  if (counts(__builtin_return_address(0))) mapped_bytes -= static_cast<std::int64_t>(bytes);
  return real(block, bytes);
}

ssize_t write(int fd, const void* data, std::size_t bytes) {
  static const auto real =
      reinterpret_cast<ssize_t (*)(int, const void*, std::size_t)>(dlsym(RTLD_NEXT, "write"));
  static const int log = [] {
    const char *path = getenv("EBB_SHIM_LOG"), *rank = getenv("OMPI_COMM_WORLD_RANK");
    if (path == nullptr || rank == nullptr) return -1;
    char name[4096];
    snprintf(name, sizeof name, "%s.%s", path, rank);
    return open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  }();
  char link[64];
  char path[4096] = {};
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  if (log >= 0 && readlink(link, path, sizeof path - 1) > 0 && strstr(path, "/memory/rank-") != nullptr) {
    char line[32];
    std::int64_t now = 0;
    {
      const Lock lock;
      now = live_bytes;
    }
    const int n = snprintf(line, sizeof line, "%lld\n", static_cast<long long>(now));
    if (real(log, line, static_cast<std::size_t>(n)) != n) abort();
  }
  return real(fd, data, bytes);
}

std::int64_t ebb_shim_mapped_bytes() {
  return mapped_bytes;
}

std::int64_t ebb_shim_live_bytes() {
  const Lock lock;
  return live_bytes;
}

std::int64_t ebb_shim_total_blocks() {
  const Lock lock;
  return total_blocks;
}
}
