// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <string_view>

namespace ebb::launch {

// The reported cause of a run's end: the first error of a rank, or mpirun's message if no rank printed one.
struct ErrorReport {
  int rank = -1;     // -1: the error belongs to no single rank
  std::string host;  // empty: unknown
  std::string text;  // one line, without "ebb: rank 1 of 2 on HOST: "; empty: no message
  enum class Start { succeeded, failed, no_slots, refused };
  Start start = Start::succeeded;  // of the ranks, by mpirun; refused: `text` has the reason
  bool host_lost = false;          // mpirun reports a lost host
  std::string loss{};              // which host; kept even if a rank prints an error too
  bool rank_reported = false;      // `text` is a rank's; else it is mpirun's
  std::string internal{};          // an internal error of mpirun, which may be harmless; empty: none
  int abort_code = 0;              // which the first rank to call MPI_Abort passed; 0: none called it

  // A rank printed an error, or mpirun reported that a rank failed.
  [[nodiscard]] bool a_rank_failed() const { return rank_reported || rank >= 0; }
};

// Extracts the error report from what mpirun and the ranks write to standard error.
class ErrorReportParser {
 public:
  void feed(std::string_view text);
  [[nodiscard]] const ErrorReport& found() const { return found_; }

 private:
  void line(std::string_view line);
  ErrorReport found_;
  std::string partial_line_;
  bool in_abort_paragraph_ = false;
};

}  // namespace ebb::launch
