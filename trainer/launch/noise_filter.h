#pragma once
#include <string>
#include <string_view>

namespace ebb::launch {

// Takes what mpirun writes to standard error and gives it back without the paragraphs that mpirun adds after
// a rank has ended with an error, since they bury the rank's own message: the "Primary job terminated
// normally" kind and the "MPI_ABORT was invoked" kind, as versions 4 and 5 word them. All else passes
// unchanged but for NUL bytes, at once, half lines as well
// (a progress line has no end); what mpirun alone knows, such as the signal that ended a rank, passes too.
class NoiseFilter {
 public:
  // What of `text` and of what was held back may be printed now.
  std::string feed(std::string_view text);
  // True while the beginning of a possible paragraph is held back. After a short silence, and at the end,
  // flush() it.
  [[nodiscard]] bool holding() const { return !block_.empty() || !line_.empty(); }
  std::string flush();

 private:
  std::string end_line();
  std::string block_;    // a line of dashes and what follows it
  std::string line_;     // the begin of a line that may be mpirun's
  bool middle_ = false;  // the line was printed up to here
};

}  // namespace ebb::launch
