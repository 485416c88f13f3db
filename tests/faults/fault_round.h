// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "support/tiny_run.h"

namespace ebb::test {

// One run by `ebb launch` with two ranks, and one small fault at a random moment. All that is random comes
// from `seed` and `number`. The times at which the program does its work do not.
class FaultRound {
 public:
  FaultRound(const TinyRun& tiny, std::uint64_t seed, long number);
  ~FaultRound();
  FaultRound(const FaultRound&) = delete;
  FaultRound& operator=(const FaultRound&) = delete;

  double draw(double from, double to) { return std::uniform_real_distribution<double>(from, to)(random_); }
  template <class T>
  T pick(std::initializer_list<T> values) {
    const auto last = static_cast<int>(values.size()) - 1;
    return values.begin()[std::uniform_int_distribution<int>(0, last)(random_)];
  }
  // Adds to the description of the fault, which every message of a failure has.
  void note(const std::string& text) { about_ += (about_.empty() ? "" : ", ") + text; }
  [[nodiscard]] const std::string& about() const { return about_; }

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::string run_folder() const { return tiny_.run_folder(name_); }
  // A path of this round outside of the run folder.
  [[nodiscard]] std::string path(const std::string& file) const {
    return tiny_.folder() / (name_ + "." + file);
  }
  // The command line of a start of this run. `more`: settings that do not change its result.
  [[nodiscard]] std::vector<std::string> command(std::vector<std::string> more = {}) const;
  [[nodiscard]] std::unique_ptr<Process> start(const std::vector<std::string>& more = {}) const;
  // Starts it, and waits for a random moment of the training, rarely of its end.
  [[nodiscard]] std::unique_ptr<Process> start_to_moment(const std::vector<std::string>& more = {});
  // Waits for a random time in seconds, which the description has too.
  void sleep_randomly(const std::string& what, double least, double most);

  // What every start of this run has.
  std::vector<std::string> before;          // words before those of `ebb launch`
  std::vector<std::string> launch_options;  // of `ebb launch`
  ProcessOptions options;
  // Called after the last start has ended.
  void at_end(std::function<void()> action) { at_end_.push_back(std::move(action)); }

  // Long enough that a random moment lies in a step or in one of many saves.
  static constexpr int kSteps = 60;
  static const std::vector<std::string> kSettings;

 private:
  const TinyRun& tiny_;
  std::string name_, about_;
  std::mt19937_64 random_;
  std::vector<std::function<void()>> at_end_;
};

// How the run with the fault has ended.
struct FaultEnd {
  ProcessResult result;
  bool met = false;         // the fault came before the run had ended
  std::vector<int> codes;   // the codes that docs/reliability.md has for it
  std::string reason = {};  // a regular expression for the error output, if the code is neither 0 nor 75
};

struct FaultKind {
  std::string name;
  std::string missing;  // why this machine or user cannot make it; empty: it can
  std::function<FaultEnd(FaultRound&)> run;
};

// True while both ranks of the run live.
bool both_ranks_live(const Process& launched);

}  // namespace ebb::test
