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

#include "base/units.h"
#include "comm/agree.h"
#include "doctor/checkup.h"
#include "doctor/facts.h"
#include "doctor/outcomes.h"
#include "doctor/shared_folder.h"
#include "memory/cuda_device.h"
#include "memory/cuda_library.h"
#include "train/needs.h"
#include "train/session.h"

namespace ebb::doctor {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kWritten = 16 << 20;  // by each rank, to try the folder
constexpr std::int64_t kReduced = 64 << 20;
constexpr int kTimes = 3;
constexpr double kSeenWithin_s = 10;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

class Preflight {
 public:
  Preflight(train::Config& config, comm::World& world, const Report& report)
      : config_(config), world_(world), report_(report) {}
  ExitCode run(std::int64_t expected);

 private:
  void ranks(std::int64_t expected);
  void folder();
  void data();
  void device();
  void reduction();

  // Tries it on every rank; all get all outcomes, in rank order. `work` returns what was found.
  std::vector<Outcome> on_all(const std::function<std::string()>& work);
  void print(std::vector<Check> checks);

  train::Config& config_;
  comm::World& world_;
  const Report& report_;
  std::optional<at::Device> device_;
  std::int64_t gradient_bytes_ = 0;  // of a step of this run; 0: not known
  std::vector<Check> all_;
};

std::vector<Outcome> Preflight::on_all(const std::function<std::string()>& work) {
  Outcome mine{world_.rank(), world_.host(), 0, {}, {}, 0};
  const auto start = Clock::now();
  try {
    mine.found = work();
  } catch (const Error& error) {
    mine.code = static_cast<int>(error.code());
    mine.message = error.what();
  } catch (const std::exception& error) {
    mine.code = static_cast<int>(ExitCode::internal);
    mine.message = error.what();
  }
  mine.seconds = seconds_since(start);
  std::vector<Outcome> outcomes;
  for (const std::string& text : world_.gather_to_all(mine.to_text(), config_.parallel.timeout_s))
    outcomes.push_back(Outcome::parse(text));
  return outcomes;
}

// As they come: who waits for a slow one sees what was well before it.
void Preflight::print(std::vector<Check> checks) {
  if (world_.rank() == 0) {
    std::fputs(as_text(checks).c_str(), stdout);
    std::fflush(stdout);
  }
  all_.insert(all_.end(), checks.begin(), checks.end());
}

void Preflight::ranks(std::int64_t expected) {
  const std::vector<RankFacts> facts = facts_of_all(world_, config_.run.dir);
  std::vector<Check> checks = examine(facts);
  if (expected > 0 && expected != world_.size()) {
    checks.push_back(
        {"world", Health::fail, fmt::format("ranks that are here: {}; expected: {}", world_.size(), expected),
         "compare mpirun's -n, the slots of its host file and parallel.ranks; ranks that do not see each "
         "other were started by another MPI's mpirun",
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
         "the slowest holds up all of them: choose hosts alike", ExitCode::ok});
    break;
  }
  print(std::move(checks));
}

void Preflight::folder() {
  const std::filesystem::path run = config_.run.folder();
  // Rank 0's word is everybody's: another preflight in the same folder has another.
  const std::string word =
      world_.gather_to_all(fmt::format("{:08x}", std::random_device()()), config_.parallel.timeout_s)[0];
  SharedFolderProbe probe(run, word, world_.rank());
  const std::vector<Outcome> written = on_all([&] {
    probe.write(kWritten);
    return std::string();
  });
  double slowest = 0;
  for (const Outcome& outcome : written) slowest = std::max(slowest, outcome.seconds);
  Check check = judge("folder", written, "");
  if (check.health == Health::ok) {
    const std::vector<Outcome> seen = on_all([&] {
      probe.look_for(world_.size(), kSeenWithin_s);
      return std::string();
    });
    check = judge("folder", seen,
                  fmt::format("{} is one folder, written by all ranks at {}", run.string(),
                              rate_text(static_cast<double>(kWritten * world_.size()), slowest)));
  }
  print({check});
  // Nobody removes its file before all have looked.
  (void)world_.max_of_all(0, config_.parallel.timeout_s);
}

void Preflight::data() {
  const std::vector<Outcome> outcomes = on_all([&] {
    train::check_inputs(config_, world_);
    return std::string();
  });
  Check check =
      judge("data", outcomes, fmt::format("{}: train and test open on every rank", config_.data.source));
  const bool opens = check.health == Health::ok;
  print({std::move(check)});
  if (!opens) return;
  train::Needs needs;
  std::int64_t there = 0;
  const std::vector<Outcome> looked = on_all([&] {
    needs = train::sizes(config_, {});
    there = std::ssize(checkpoint::list_checkpoints(config_.run.folder() / "checkpoints"));
    return std::string();
  });
  if (Check room = judge("room", looked, ""); room.health != Health::ok) return print({std::move(room)});
  gradient_bytes_ = needs.gradient_bytes;
  // One more than are kept is there while it is written; some may be there already.
  const std::int64_t room =
      needs.checkpoint_bytes * std::max<std::int64_t>(config_.checkpoint.keep + 1 - there, 1);
  const std::string text =
      fmt::format("{} of a checkpoint, {} kept: {} more", format_bytes(needs.checkpoint_bytes),
                  config_.checkpoint.keep, format_bytes(room));
  std::error_code error;
  const auto space = std::filesystem::space(config_.run.folder(), error);
  const bool fits = error || static_cast<std::int64_t>(space.available) >= room;
  // As rank 0 sees it: the folder is one.
  if (world_.max_of_all(world_.rank() == 0 && !fits ? 1 : 0, config_.parallel.timeout_s) == 0)
    return print({{"room", Health::ok, text, {}, ExitCode::ok}});
  print({{"room", Health::fail, text + ", for which its volume has no room",
          "make it larger, or lower checkpoint.keep", ExitCode::storage}});
}

void Preflight::device() {
  const std::vector<Outcome> outcomes = on_all([&] {
    std::string note;
    device_ = train::choose_device(config_.run.device, config_.run.share_gpus, world_,
                                   config_.parallel.timeout_s, note);
    return note;
  });
  print({judge("device", outcomes,
               device_ && device_->is_cuda() ? "a GPU for every rank"
               : outcomes[0].found.empty()   ? "the CPU, on every rank"
                                             : outcomes[0].found)});
}

void Preflight::reduction() {
  if (all_.back().health == Health::fail) return;  // no device to reduce on
  if (world_.size() == 1)
    return print({{"network", Health::ok, "one rank: nothing to move", {}, ExitCode::ok}});
  const std::int64_t numbers = kReduced / static_cast<std::int64_t>(sizeof(float));
  std::string backend;
  const std::vector<Outcome> outcomes = on_all([&] {
    const auto communicator =
        comm::make_communicator(world_, config_.parallel.backend, config_.parallel.timeout_s, *device_);
    backend = communicator->backend();
    const at::Tensor tensor = at::empty({numbers}, at::TensorOptions().dtype(at::kFloat).device(*device_));
    double fastest_s = 0;
    for (int i = 0; i <= kTimes; ++i) {  // the first makes connections
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
  // What the slowest link carries: each number goes out and comes back once, but for a rank's own part.
  const double moved = 2.0 * static_cast<double>(kReduced) * (world_.size() - 1) / world_.size();
  std::string found =
      fmt::format("all_reduce of {} over {} ranks by {}: {}, {} a rank", format_bytes(kReduced),
                  world_.size(), backend, format_duration(slowest_s), rate_text(moved, slowest_s));
  if (gradient_bytes_ > 0)
    found += fmt::format("; a step's gradients ({}): about {}", format_bytes(gradient_bytes_),
                         format_duration(slowest_s * static_cast<double>(gradient_bytes_) / kReduced));
  print({judge("network", outcomes, found)});
}

ExitCode Preflight::run(std::int64_t expected) {
  // The folder first: whose disk is looked at has to be there.
  folder();
  ranks(expected);
  data();
  device();
  reduction();
  const ExitCode code = exit_code(all_);
  if (world_.rank() != 0) return code;
  if (code == ExitCode::ok) {
    std::puts("ready to train");
    std::fflush(stdout);
    return code;
  }
  // In one line as well, for whoever keeps the last words of a run.
  const auto first = std::ranges::find_if(
      all_, [&](const Check& check) { return check.health == Health::fail && check.code == code; });
  report_(fmt::format("not ready to train: {}: {}", first->name, first->found));
  return code;
}

}  // namespace

ExitCode preflight(train::Config& config, comm::World& world, std::int64_t ranks, const Report& report) {
  return Preflight(config, world, report).run(ranks > 0 ? ranks : config.parallel.ranks);
}

}  // namespace ebb::doctor
