// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <string_view>

namespace ebb::launch {

// Filters mpirun's standard error. Open MPI 4 and 5 add paragraphs after a rank has failed ("Primary job
// terminated normally", "MPI_ABORT was invoked"), which bury the rank's message. The filter removes them, and
// NUL bytes. All other text passes unchanged and at once, incomplete lines too: a progress line has no end.
// Facts that only mpirun reports also pass, such as the signal that ended a rank.
class NoiseFilter {
 public:
  // Returns the part of the held text and of `text` that can be printed now.
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
