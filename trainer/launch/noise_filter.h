// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <string_view>

namespace ebb::launch {

// Filters what mpirun writes to standard error. It removes the paragraphs that mpirun adds after a rank has
// ended with an error ("Primary job terminated normally", "MPI_ABORT was invoked"), as Open MPI 4 and 5 word
// them, since they bury the rank's own message. It removes NUL bytes. All other text passes unchanged and at
// once, incomplete lines too: a progress line has no end. What only mpirun knows passes, such as the signal
// that ended a rank.
class NoiseFilter {
 public:
  // Returns what can be printed now of `text` and of the text held back.
  std::string feed(std::string_view text);
  // True while the beginning of a possible paragraph is held back. Call flush() after a short silence and at
  // the end.
  [[nodiscard]] bool holding() const { return !block_.empty() || !line_.empty(); }
  std::string flush();

 private:
  std::string end_line();
  std::string block_;    // a line of dashes and the text after it
  std::string line_;     // the beginning of a line that may be mpirun's
  bool middle_ = false;  // the current line is printed up to here
};

}  // namespace ebb::launch
