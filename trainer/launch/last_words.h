#pragma once
#include <string>
#include <string_view>

namespace ebb::launch {

// What a run said of its end: the first error of a rank, or what mpirun said where no rank could.
struct LastWords {
  int rank = -1;     // -1: not of one rank
  std::string host;  // empty: not known
  std::string text;  // one line, without "ebb: rank 1 of 2 on HOST: "; empty: nothing was said
  enum class Start { made, not_made, no_slots };
  Start start = Start::made;     // whether mpirun could start the ranks
  bool host_lost = false;        // mpirun says that it lost a host
  std::string loss{};            // and which one; kept where a rank speaks, before or after
  bool rank_has_spoken = false;  // else `text` is mpirun's

  // With an error of its own, or as mpirun has noticed.
  [[nodiscard]] bool a_rank_ended() const { return rank_has_spoken || rank >= 0; }
};

// Finds them in what mpirun and the ranks write to standard error.
class LastWordsFinder {
 public:
  void feed(std::string_view text);
  [[nodiscard]] const LastWords& found() const { return found_; }

 private:
  void line(std::string_view line);
  LastWords found_;
  std::string begun_;  // a line without its end yet
};

}  // namespace ebb::launch
