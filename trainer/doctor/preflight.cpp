// SPDX-License-Identifier: Apache-2.0
#include "doctor/preflight.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/terminal.h"
#include "base/units.h"
#include "comm/run_on_all_ranks.h"
#include "doctor/checkup.h"
#include "doctor/facts.h"
#include "doctor/memory_need.h"
#include "doctor/outcomes.h"
#include "doctor/requirements.h"
#include "doctor/shared_folder.h"
#include "doctor/try_on_ranks.h"
#include "memory/cuda_device.h"
#include "memory/cuda_library.h"
#include "train/environment.h"
#include "train/resource_estimate.h"
#include "train/training_data.h"

namespace ebb::doctor {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kWrittenBytes = 16 << 20;  // written by each rank into the run folder
constexpr std::int64_t kReducedBytes = 64 << 20;
constexpr int kRepetitions = 3;
constexpr double kVisibleWithin_s = 10;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

class Preflight {
 public:
  Preflight(train::Config& config, comm::World& world, const Report& report,
            const models::RunnerFactory& make_runner)
      : config_(config), world_(world), report_(report), make_runner_(make_runner) {}
  ExitCode run(std::int64_t expected);

 private:
  void ranks(std::int64_t expected);
  void folder();
  void data();
  void device();
  void memory();
  void reduction();

  // try_on_ranks() with the configured timeout.
  std::vector<Outcome> on_all(const std::function<std::string()>& work);
  void print(std::vector<Check> checks);

  train::Config& config_;
  comm::World& world_;
  const Report& report_;
  const models::RunnerFactory& make_runner_;
  std::optional<at::Device> device_;
  bool data_opens_ = false;
  std::int64_t gradient_bytes_ = 0;  // of a step of this run; 0: unknown
  std::vector<Check> all_;
};

std::vector<Outcome> Preflight::on_all(const std::function<std::string()>& work) {
  return try_on_ranks(world_, config_.parallel.timeout_s, work);
}

// Prints checks one by one, so that the user sees earlier results during a slow check.
void Preflight::print(std::vector<Check> checks) {
  if (world_.rank() == 0) {
    std::fputs(as_text(checks, output_columns()).c_str(), stdout);
    std::fflush(stdout);
  }
  all_.insert(all_.end(), checks.begin(), checks.end());
}

void Preflight::ranks(std::int64_t expected) {
  const std::vector<RankFacts> facts = facts_of_all(world_, config_.run.dir);
  std::vector<Check> checks = examine(facts);
  if (expected > 0 && expected != world_.size()) {
    checks.push_back(
        {"world", Health::fail, fmt::format("ranks present: {}; expected: {}", world_.size(), expected),
         "compare mpirun's -n, the slots of its host file and parallel.ranks; ranks that do not see each "
         "other were started by the mpirun of another MPI",
         ExitCode::communication});
  } else {
    checks.push_back({"world",
                      Health::ok,
                      fmt::format("{} rank{}{}", world_.size(), world_.size() == 1 ? "" : "s",
                                  expected > 0 ? ", as expected" : " (parallel.ranks is 0: any number)"),
                      {},
                      ExitCode::ok});
  }
  for (const RankFacts& rank : facts) {
    if (rank.devices == facts.front().devices && rank.driver == facts.front().driver) continue;
    checks.push_back(
        {"gpus", Health::warn,
         fmt::format("rank {} on {} has other GPUs or another driver ({} of driver {}) than rank 0 ({} of "
                     "driver {})",
                     rank.rank, rank.host, rank.devices.size(), rank.driver, facts.front().devices.size(),
                     facts.front().driver),
         "the slowest GPU delays all others: choose equal hosts", ExitCode::ok});
    break;
  }
  print(std::move(checks));
}

void Preflight::folder() {
  const std::filesystem::path run = config_.run.folder();
  // All ranks use the token of rank 0. Another preflight in the same folder has another token.
  const std::string word =
      world_.gather_to_all(fmt::format("{:08x}", std::random_device()()), config_.parallel.timeout_s)[0];
  SharedFolderProbe probe(run, word, world_.rank());
  const std::vector<Outcome> written = on_all([&] {
    probe.write(kWrittenBytes);
    return std::string();
  });
  double slowest = 0;
  for (const Outcome& outcome : written) slowest = std::max(slowest, outcome.seconds);
  Check check = summarize("folder", written, "");
  if (check.health == Health::ok) {
    const std::vector<Outcome> seen = on_all([&] {
      probe.wait_for_all(world_.size(), kVisibleWithin_s);
      return std::string();
    });
    check = summarize("folder", seen,
                      fmt::format("{} is one folder, written by all ranks at {}", run.string(),
                                  rate_text(static_cast<double>(kWrittenBytes * world_.size()), slowest)));
  }
  print({check});
  // This is a barrier: no rank removes its file before all ranks have read it.
  (void)world_.max_of_all(0, config_.parallel.timeout_s);
}

void Preflight::data() {
  const std::vector<Outcome> outcomes = on_all([&] {
    (void)train::open_splits(config_, world_);
    return std::string();
  });
  Check check =
      summarize("data", outcomes, fmt::format("{}: train and test open on every rank", config_.data.source));
  const bool opens = check.health == Health::ok;
  print({std::move(check)});
  if (!opens) return;
  data_opens_ = true;
  train::ResourceEstimate estimate;
  CheckpointSpace space;
  const std::vector<Outcome> computed = on_all([&] {
    estimate = train::estimate_sizes(config_, train::planned_sample(config_, {}));
    space = checkpoint_space(config_, estimate);
    return std::string();
  });
  if (Check failed = summarize("space", computed, ""); failed.health != Health::ok)
    return print({std::move(failed)});
  gradient_bytes_ = estimate.gradient_bytes;
  // All ranks check the measurement of rank 0, since they share one folder.
  const Check seen = check_space(space);
  if (world_.max_of_all(world_.rank() == 0 && seen.health == Health::fail ? 1 : 0,
                        config_.parallel.timeout_s) == 0)
    return print({{"space", Health::ok, seen.found, {}, ExitCode::ok}});
  space.available = 0;
  print({check_space(space)});
}

void Preflight::device() {
  const std::vector<Outcome> outcomes = on_all([&] {
    std::string note;
    device_ = train::choose_device(config_.run.device, config_.run.share_gpus, world_,
                                   config_.parallel.timeout_s, note);
    return note;
  });
  print({summarize("device", outcomes,
                   device_ && device_->is_cuda() ? "a GPU for every rank"
                   : outcomes[0].found.empty()   ? "the CPU, on every rank"
                                                 : outcomes[0].found)});
}

void Preflight::memory() {
  if (!data_opens_ || !device_) return;
  print({check_memory_need(config_, world_, *device_, make_runner_)});
}

void Preflight::reduction() {
  if (all_.back().health == Health::fail) return;  // there is no device to reduce on
  if (world_.size() == 1)
    return print({{"network", Health::ok, "one rank: nothing to reduce", {}, ExitCode::ok}});
  const std::int64_t numbers = kReducedBytes / static_cast<std::int64_t>(sizeof(float));
  std::string backend;
  const std::vector<Outcome> outcomes = on_all([&] {
    const auto communicator =
        comm::make_communicator(world_, config_.parallel.backend, config_.parallel.timeout_s, *device_);
    backend = communicator->backend();
    const at::Tensor tensor = at::empty({numbers}, at::TensorOptions().dtype(at::kFloat).device(*device_));
    double fastest_s = 0;
    for (int i = 0; i <= kRepetitions; ++i) {  // the first one opens connections
      tensor.fill_(world_.rank() + 1);
      communicator->barrier("preflight");
      const auto start = Clock::now();
      communicator->all_reduce(tensor, "preflight");
      const float sum = tensor[numbers - 1].item<float>();
      const double took = seconds_since(start);
      if (i > 0) fastest_s = i == 1 ? took : std::min(fastest_s, took);
      const auto expected = static_cast<float>(world_.size()) * static_cast<float>(world_.size() + 1) / 2;
      if (sum != expected)
        throw Error(ExitCode::communication,
                    fmt::format("a sum over all ranks is {}, not {}", sum, expected));
    }
    return fmt::format("{}", fastest_s);
  });
  double slowest_s = 0;
  for (const Outcome& outcome : outcomes)
    if (outcome.code == 0) slowest_s = std::max(slowest_s, std::stod(outcome.found));
  // Bytes on a rank's link: a rank sends and receives each number once, except for its own part.
  const double moved = 2.0 * static_cast<double>(kReducedBytes) * (world_.size() - 1) / world_.size();
  std::string found =
      fmt::format("all_reduce of {} over {} ranks by {}: {}, {} per rank", format_bytes(kReducedBytes),
                  world_.size(), backend, format_duration(slowest_s), rate_text(moved, slowest_s));
  if (gradient_bytes_ > 0)
    found += fmt::format("; a step's gradients ({}): about {}", format_bytes(gradient_bytes_),
                         format_duration(slowest_s * static_cast<double>(gradient_bytes_) / kReducedBytes));
  print({summarize("network", outcomes, found)});
}

ExitCode Preflight::run(std::int64_t expected) {
  // The folder is first: it must exist before the check of its disk.
  folder();
  ranks(expected);
  data();
  device();
  reduction();
  memory();
  const ExitCode code = exit_code(all_);
  if (world_.rank() != 0) return code;
  if (code == ExitCode::ok) {
    std::puts("ready to train");
    std::fflush(stdout);
    return code;
  }
  // The failure is also printed in one line, which the launcher keeps as the error report of the run.
  const auto first = std::ranges::find_if(
      all_, [&](const Check& check) { return check.health == Health::fail && check.code == code; });
  report_(fmt::format("not ready to train: {}: {}", first->name, first->found));
  return code;
}

}  // namespace

ExitCode preflight(train::Config& config, comm::World& world, std::int64_t ranks, const Report& report,
                   const models::RunnerFactory& make_runner) {
  return Preflight(config, world, report, make_runner).run(ranks > 0 ? ranks : config.parallel.ranks);
}

}  // namespace ebb::doctor
