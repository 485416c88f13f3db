// SPDX-License-Identifier: Apache-2.0
// A preloaded library that makes single calls of a run fail, as they rarely do on a real machine.
//   EBB_FAULT_RANK=1        the rank that it affects, or "all"; all others are left alone
//   EBB_FAULT_BLOCK=n       refuses the n-th block that LibTorch's CPU allocator or ebb allocates,
//                           and every later block of that thread: ebb frees memory and retries
//   EBB_FAULT_WRITE=n       fails the n-th write, fsync, rename or link below a folder
//                           `checkpoints`, and every later one
//   EBB_FAULT_FOLDER=TEXT   counts the calls on paths with this text instead of `/checkpoints`
//   EBB_FAULT_ONCE=1        fails only the n-th such call
//   EBB_FAULT_NOTE=FILE     writes the path of the first call that fails
//   EBB_FAULT_ERROR=ENOSPC  the error of EBB_FAULT_WRITE: ENOSPC, EIO, SHORT (half of the bytes are
//                           written, then ENOSPC), or HANG (the call never returns)
//   EBB_FAULT_KILL=1        sends SIGKILL at EBB_FAULT_BLOCK or EBB_FAULT_WRITE, not an error
//   EBB_FAULT_COUNT=FILE    writes at exit how many blocks and how many such calls there were
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

long environment_number(const char* name) {
  const char* text = getenv(name);
  return text == nullptr ? -1 : atol(text);
}

bool is_affected_rank() {
  static const bool yes = [] {
    const char* rank = getenv("OMPI_COMM_WORLD_RANK");
    const char* affected = getenv("EBB_FAULT_RANK");
    return rank != nullptr && affected != nullptr && strcmp(program_invocation_short_name, "ebb-core") == 0 &&
           (strcmp(affected, "all") == 0 || atol(rank) == atol(affected));
  }();
  return yes;
}

// Whether the caller is LibTorch's CPU allocator or ebb itself.
bool is_counted_caller(const void* caller) {
  Dl_info who;
  if (dladdr(caller, &who) == 0 || who.dli_fname == nullptr) return false;
  const char* slash = strrchr(who.dli_fname, '/');
  const char* name = slash == nullptr ? who.dli_fname : slash + 1;
  return strcmp(name, "libc10.so") == 0 || strcmp(name, "ebb-core") == 0;
}

template <class F>
F next_symbol(const char* name) {
  return reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
}

void kill_if_requested() {
  if (getenv("EBB_FAULT_KILL") != nullptr) kill(getpid(), SIGKILL);
}

bool refuses_block() {
  static const long at = environment_number("EBB_FAULT_BLOCK");
  static thread_local bool refuses = false;
  if (++blocks == at) {
    kill_if_requested();
    refuses = true;
  }
  return refuses;
}

const char* environment_text(const char* name, const char* otherwise) {
  const char* text = getenv(name);
  return text == nullptr ? otherwise : text;
}

void write_note(const char* path) {
  const char* note = getenv("EBB_FAULT_NOTE");
  if (note == nullptr) return;
  const int fd = open(note, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  dprintf(fd, "%s\n", path);
  close(fd);
}

// Counts the call, and returns whether it fails. A full disk stays full.
bool fails(const char* path) {
  static const char* folder = environment_text("EBB_FAULT_FOLDER", "/checkpoints");
  if (!is_affected_rank() || strstr(path, folder) == nullptr) return false;
  static const long at = environment_number("EBB_FAULT_WRITE");
  static const bool once = getenv("EBB_FAULT_ONCE") != nullptr;
  const long call = ++calls;
  if (call == at) {
    kill_if_requested();
    write_note(path);
  }
  return at > 0 && (once ? call == at : call >= at);
}

bool fails(int fd) {
  if (!is_affected_rank()) return false;
  char link[64];
  char path[4096] = {};
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  return readlink(link, path, sizeof path - 1) > 0 && fails(path);
}

const char* error_name() {
  return environment_text("EBB_FAULT_ERROR", "ENOSPC");
}

int fail_call() {
  while (strcmp(error_name(), "HANG") == 0) pause();
  errno = strcmp(error_name(), "EIO") == 0 ? EIO : ENOSPC;
  return -1;
}

// Writes the counts at exit.
struct CountReport {
  ~CountReport() {
    const char* path = getenv("EBB_FAULT_COUNT");
    if (path == nullptr || !is_affected_rank()) return;
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    dprintf(fd, "%ld %ld\n", blocks.load(), calls.load());
    close(fd);
  }
} count_report;

}  // namespace

extern "C" {

int posix_memalign(void** out, std::size_t alignment, std::size_t bytes) noexcept {
  if (is_affected_rank() && is_counted_caller(__builtin_return_address(0)) && refuses_block()) return ENOMEM;
  *out = __libc_memalign(alignment, bytes);
  return *out == nullptr ? ENOMEM : 0;
}

// ebb maps large blocks itself.
void* mmap(void* at_address, std::size_t bytes, int protection, int flags, int fd, off_t offset) noexcept {
  static const auto real = next_symbol<void* (*)(void*, std::size_t, int, int, int, off_t)>("mmap");
  if ((flags & MAP_ANONYMOUS) != 0 && is_affected_rank() && is_counted_caller(__builtin_return_address(0)) &&
      refuses_block()) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  return real(at_address, bytes, protection, flags, fd, offset);
}

ssize_t write(int fd, const void* data, std::size_t bytes) {
  static const auto real = next_symbol<ssize_t (*)(int, const void*, std::size_t)>("write");
  if (fails(fd)) {
    static std::atomic<bool> first{true};
    if (strcmp(error_name(), "SHORT") == 0 && first.exchange(false) && bytes > 1)
      return real(fd, data, bytes / 2);
    return fail_call();
  }
  return real(fd, data, bytes);
}

int fsync(int fd) {
  static const auto real = next_symbol<int (*)(int)>("fsync");
  return fails(fd) ? fail_call() : real(fd);
}

int rename(const char* from, const char* to) noexcept {
  static const auto real = next_symbol<int (*)(const char*, const char*)>("rename");
  return fails(to) ? fail_call() : real(from, to);
}

int link(const char* from, const char* to) noexcept {
  static const auto real = next_symbol<int (*)(const char*, const char*)>("link");
  return fails(to) ? fail_call() : real(from, to);
}

}  // extern "C"
