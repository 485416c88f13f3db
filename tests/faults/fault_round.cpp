// SPDX-License-Identifier: Apache-2.0
#include "faults/fault_round.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "faults/ranks.h"

namespace ebb::test {

const std::vector<std::string> FaultRound::kSettings = {fmt::format("run.steps={}", kSteps),
                                                        "checkpoint.every=3", "checkpoint.keep=4",
                                                        "telemetry.progress_every=100ms"};

FaultRound::FaultRound(const TinyRun& tiny, std::uint64_t seed, long number)
    : tiny_(tiny), name_(fmt::format("round-{}", number)) {
  std::seed_seq both{seed, static_cast<std::uint64_t>(number)};
  random_.seed(both);
}

FaultRound::~FaultRound() {
  for (const auto& action : at_end_) action();
  std::error_code ignored;
  std::filesystem::remove_all(run_folder(), ignored);
}

std::vector<std::string> FaultRound::command(std::vector<std::string> more) const {
  more.insert(more.begin(), kSettings.begin(), kSettings.end());
  std::vector<std::string> argv = tiny_.launch(name_, more);
  argv.insert(argv.begin() + 2, launch_options.begin(), launch_options.end());
  argv.insert(argv.begin(), before.begin(), before.end());
  return argv;
}

std::unique_ptr<Process> FaultRound::start(const std::vector<std::string>& more) const {
  return std::make_unique<Process>(command(more), options);
}

std::unique_ptr<Process> FaultRound::start_to_moment(const std::vector<std::string>& more) {
  const int step = static_cast<int>(draw(0, 0.9 * kSteps));
  note(fmt::format("in step {}", step));
  auto launched = start(more);
  if (!launched->wait_for_output("global batch"))
    throw std::runtime_error("the training does not begin: " + launched->out() + launched->err());
  const auto steps = [&] {
    std::ifstream in(run_folder() + "/metrics.jsonl");
    return std::count(std::istreambuf_iterator<char>(in), {}, '\n');
  };
  while (steps() < step && is_alive(launched->pid()))
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  sleep_randomly("after", 0, 0.03);
  return launched;
}

void FaultRound::sleep_randomly(const std::string& what, double least, double most) {
  const double wait_s = draw(least, most);
  note(fmt::format("{} {:.3f} s", what, wait_s));
  std::this_thread::sleep_for(std::chrono::duration<double>(wait_s));
}

bool both_ranks_live(const Process& launched) {
  const std::vector<pid_t> ranks = ranks_below(launched.pid());
  return ranks.size() == 2 && is_alive(ranks[0]) && is_alive(ranks[1]);
}

}  // namespace ebb::test
