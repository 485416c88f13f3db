// SPDX-License-Identifier: Apache-2.0
#include "doctor/doctor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "base/terminal.h"
#include "doctor/checkup.h"
#include "doctor/facts.h"
#include "doctor/memory_need.h"
#include "doctor/outcomes.h"
#include "doctor/requirements.h"
#include "doctor/try_on_ranks.h"
#include "train/training_data.h"

namespace ebb::doctor {
namespace {

constexpr auto kReplace = nlohmann::json::error_handler_t::replace;  // the name of a folder may not be UTF-8

nlohmann::json as_json(const std::vector<RankFacts>& ranks, const std::vector<Check>& checks) {
  nlohmann::json list = nlohmann::json::array();
  for (const Check& check : checks) {
    const char* const health = check.health == Health::ok     ? "ok"
                               : check.health == Health::warn ? "warn"
                                                              : "fail";
    list.push_back(
        {{"name", check.name}, {"health", health}, {"found", check.found}, {"to_do", check.to_do}});
  }
  return {{"ranks", ranks}, {"checks", list}, {"exit_code", static_cast<int>(exit_code(checks))}};
}

std::string time_now() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  ::localtime_r(&now, &local);
  char text[64] = {};
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %Z", &local);
  return text;
}

// Checks whether these machines have what the run of `config` needs.
std::vector<Check> check_run(const comm::World& world, const train::Config& config,
                             const std::vector<RankFacts>& ranks, const models::RunnerFactory& make_runner) {
  const double timeout_s = config.parallel.timeout_s;
  const std::vector<Outcome> opened = try_on_ranks(world, timeout_s, [&] {
    (void)train::open_splits(config, world);
    return std::string();
  });
  std::vector<Check> checks = {
      summarize("data", opened, fmt::format("{}: train and test open on every rank", config.data.source))};
  if (checks.front().health == Health::fail) return checks;
  train::ResourceEstimate estimate;
  CheckpointSpace space;
  const std::vector<Outcome> computed = try_on_ranks(world, timeout_s, [&] {
    estimate = train::estimate_sizes(config, train::planned_sample(config, {}));
    space = checkpoint_space(config, estimate);
    // All ranks check the measurement of rank 0.
    return fmt::format("{} {}", space.present, space.available);
  });
  if (Check failed = summarize("space", computed, ""); failed.health == Health::fail) {
    checks.push_back(std::move(failed));
    return checks;
  }
  std::istringstream(computed.front().found) >> space.present >> space.available;
  std::ranges::move(check_requirements(config, ranks), std::back_inserter(checks));
  const bool on_gpus =
      config.run.device != train::DeviceKind::cpu &&
      std::ranges::none_of(ranks, [](const RankFacts& rank) { return rank.devices.empty(); });
  checks.push_back(check_memory_need(config, world, on_gpus ? at::kCUDA : at::kCPU, make_runner));
  checks.push_back(check_space(space));
  return checks;
}

}  // namespace

ExitCode doctor(const comm::World& world, OutputForm form, const train::Config* config,
                const models::RunnerFactory& make_runner) {
  const std::vector<RankFacts> ranks = facts_of_all(world, config != nullptr ? config->run.dir : ".");
  std::vector<Check> checks = examine(ranks);
  if (config != nullptr)
    std::ranges::move(check_run(world, *config, ranks, make_runner), std::back_inserter(checks));
  if (world.rank() == 0) {
    const std::string text =
        form == OutputForm::json
            ? as_json(ranks, checks).dump(2, ' ', false, kReplace) + "\n"
            : as_text(checks, output_columns()) + fmt::format("{:<5} {:<9} {}\n", "", "time", time_now());
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
  }
  return exit_code(checks);
}

}  // namespace ebb::doctor
