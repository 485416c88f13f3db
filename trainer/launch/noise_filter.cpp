// SPDX-License-Identifier: Apache-2.0
#include "launch/noise_filter.h"

#include <algorithm>
#include <array>
#include <utility>

namespace ebb::launch {
namespace {

constexpr std::size_t kMaxBlock = 8192;  // four times mpirun's longest paragraph

// Of Open MPI 4 and 5. Version 5 calls its mpirun "prterun" and breaks lines elsewhere.
constexpr std::array<std::string_view, 5> kNoisyParagraphs = {
    "terminated normally, but", "MPI_ABORT was invoked on", "exited with non-zero status,",
    "mpirun has exited due to process rank", "prterun has exited due to process rank"};

// The second one asks for another Ctrl-C, also if `ebb launch` asked mpirun to end.
constexpr std::array<std::string_view, 2> kNoisyBeginnings = {"mpirun: Forwarding signal ",
                                                              "mpirun: abort is already in progress"};

// Tests a whole line outside of paragraphs.
bool is_noise(std::string_view line) {
  return std::ranges::any_of(kNoisyBeginnings, [&](std::string_view b) { return line.starts_with(b); }) ||
         line.find(" has sent help message help-") != std::string_view::npos ||
         line.find(" have sent help message help-") != std::string_view::npos ||
         line.find("] ORTE_ERROR_LOG: ") != std::string_view::npos ||  // its text is in the ErrorReport
         line.find("] PRTE ERROR: ") != std::string_view::npos ||
         line.find("] PMIX ERROR: ") != std::string_view::npos ||
         line.find("Set MCA parameter \"orte_base_help_aggregate\" to 0") != std::string_view::npos ||
         // Version 5 prints this for ranks on one host without a network; they need none.
         line.find("] Unable to find reachable pairing between local and remote interfaces") !=
             std::string_view::npos ||
         // Version 5 prints this if a remote shell starts faster than mpirun moves it into a process group.
         line.find("] plm:ssh: Warning: setpgid(") != std::string_view::npos;
}

// Returns whether a line with this beginning may be mpirun's.
bool may_be_noise(std::string_view begin) {
  return begin.empty() || begin.starts_with('-') || begin.starts_with('[') ||
         std::ranges::any_of(kNoisyBeginnings, [&](std::string_view noisy) {
           return begin.substr(0, noisy.size()) == noisy.substr(0, begin.size());
         });
}

bool is_rule(std::string_view line) {
  return line.size() >= 70 && line.find_first_not_of('-') == std::string_view::npos;
}

}  // namespace

std::string NoiseFilter::feed(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\0') continue;  // version 5 writes one after some paragraphs
    if (middle_) {            // in a line that is not mpirun's
      out += c;
      if (c == '\n') middle_ = false;
      continue;
    }
    line_ += c;
    if (c == '\n') {
      out += end_line();
    } else if (block_.empty() && !may_be_noise(line_)) {
      out += std::exchange(line_, {});
      middle_ = true;
    }
    if (block_.size() + line_.size() > kMaxBlock) out += flush();
  }
  return out;
}

std::string NoiseFilter::end_line() {
  const std::string whole = std::exchange(line_, {});
  const std::string_view line = std::string_view(whole).substr(0, whole.size() - 1);
  if (block_.empty()) {
    if (is_rule(line)) block_ = whole;
    return is_rule(line) || is_noise(line) ? std::string() : whole;
  }
  block_ += whole;
  if (!is_rule(line)) return {};
  const std::string paragraph = std::exchange(block_, {});
  for (const std::string_view noisy : kNoisyParagraphs) {
    if (paragraph.find(noisy) != std::string::npos) return {};
  }
  return paragraph;
}

std::string NoiseFilter::flush() {
  middle_ = !line_.empty();
  return std::exchange(block_, {}) + std::exchange(line_, {});
}

}  // namespace ebb::launch
