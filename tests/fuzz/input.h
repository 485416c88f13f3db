// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>

#include "base/error.h"

namespace ebb::fuzz {

// Readers take paths. These classes give them paths in memory.

// A file in memory with the last contents that were put into it.
class InputFile {
 public:
  InputFile() : fd_(memfd_create("ebb-fuzz", 0)), path_("/proc/self/fd/" + std::to_string(fd_)) {
    if (fd_ < 0) throw std::runtime_error("memfd_create failed");
  }
  void put(std::string_view bytes) {
    if (ftruncate(fd_, 0) != 0 ||
        pwrite(fd_, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
      throw std::runtime_error("cannot write the input");
  }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  int fd_;
  std::string path_;
};

// A folder of this process in memory, removed at its end.
class InputFolder {
 public:
  InputFolder() {
    std::string name = "/dev/shm/ebb-fuzz-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no folder below /dev/shm");
    path_ = name;
  }
  ~InputFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  void put(const std::string& name, std::string_view bytes) const {
    const int fd = open((path_ / name).c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    const bool whole = fd >= 0 && write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
    close(fd);
    if (!whole) throw std::runtime_error("cannot write the input");
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::string_view text(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Checks a property. If it does not hold, the fuzzer stops and keeps the input.
inline void require(bool holds) {
  if (!holds) std::abort();
}

// Runs the reader, which may refuse the input with one of its documented codes.
template <class Read>
void refused_or_read(ExitCode refusal, const Read& read) {
  try {
    read();
  } catch (const Error& error) {
    require(error.code() == refusal);
  }
}

}  // namespace ebb::fuzz
