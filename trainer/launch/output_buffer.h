// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace ebb::launch {

// Text for a descriptor whose reader may be slow, or gone: a pager, `head`, a full disk. A pipe or file never
// blocks the caller, and no lost text is an error. The text after a gap begins with the number of bytes that
// are missing. The caller ignores SIGPIPE.
class OutputBuffer {
 public:
  static constexpr std::size_t kMost = std::size_t{1} << 20;  // bytes that wait; older ones are dropped

  // Does not own the descriptor, whose flags it leaves alone: other processes share them.
  explicit OutputBuffer(int fd) : fd_(fd) {}
  // Writes what the reader takes at once, and keeps the rest.
  void put(std::string_view text);
  void write();
  // Whether text waits for the descriptor to become writable.
  [[nodiscard]] bool is_waiting() const { return !waiting_.empty(); }
  [[nodiscard]] int fd() const { return fd_; }
  // Writes all that waits, for at most this time.
  void drain(int milliseconds);

 private:
  int fd_;
  std::string waiting_;
  std::size_t dropped_ = 0;   // bytes that the reader does not know to be missing
  bool within_line_ = false;  // the last written byte is no line end
  bool lost_ = false;         // the reader is gone
};

}  // namespace ebb::launch
