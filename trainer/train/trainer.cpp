#include "train/trainer.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/file.h"
#include "comm/affinity.h"
#include "comm/agree.h"
#include "config/document.h"
#include "memory/block_cache.h"
#include "memory/leak_gate.h"
#include "step/agreed_step_control.h"
#include "telemetry/memory_log.h"
#include "train/evaluation.h"
#include "train/journal.h"
#include "train/metrics_feed.h"
#include "train/run_folder.h"
#include "train/samples.h"
#include "train/session.h"
#include "train/stop_request.h"
#include "train/summary.h"

namespace ebb::train {

namespace {

// All ranks have to mean the same run before they share anything.
void require_same_configuration(const comm::World& world, const std::string& digest, double timeout_s) {
  const std::vector<std::string> digests = world.gather_to_all(digest, timeout_s);
  const auto other = std::find_if(digests.begin(), digests.end(),
                                  [&](const std::string& d) { return d != digests.front(); });
  if (other == digests.end()) return;
  if (world.rank() != 0) throw comm::ReportedElsewhere(ExitCode::usage);
  throw Error(ExitCode::usage, fmt::format("ranks have different configurations: digest {} on rank 0, {} on "
                                           "rank {}. Is the file, an override or an environment "
                                           "variable another one on that host?",
                                           digests.front(), *other, other - digests.begin()));
}

bool due(std::int64_t step, std::int64_t every) {
  return every > 0 && step % every == 0;
}

class Training {
 public:
  Training(const Config& config, comm::World& world, memory::Ledger& ledger, memory::BlockCache& cache,
           core::UnitRunner& runner, checkpoint::Store& store, checkpoint::Origin origin,
           const checkpoint::Lease* lease)
      : lease_(lease),
        config_(config),
        world_(world),
        ledger_(ledger),
        cache_(cache),
        store_(store),
        origin_(std::move(origin)),
        session_(config, world, ledger, runner),
        feed_(config, world, ledger, session_.device) {}

  ExitCode run(const std::optional<checkpoint::Found>& found);
  // A sentence for somebody whose run has ended in an error.
  [[nodiscard]] std::string last_checkpoint(const std::optional<checkpoint::Found>& found) const;

 private:
  void save();
  Evaluation evaluation();
  void sample();
  ExitCode stopped();
  ExitCode finished();

  const checkpoint::Lease* lease_;  // rank 0's; null elsewhere
  const Config& config_;
  comm::World& world_;
  memory::Ledger& ledger_;
  memory::BlockCache& cache_;
  checkpoint::Store& store_;
  checkpoint::Origin origin_;
  Session session_;
  MetricsFeed feed_;
  std::unique_ptr<Journal> journal_;
  std::int64_t saved_ = -1;
  bool save_due_ = false;
};

ExitCode Training::run(const std::optional<checkpoint::Found>& found) {
  comm::agree(world_, config_.parallel.timeout_s, [&] { session_.begin(store_, found, origin_); });
  std::int64_t& step = session_.cursor.step;
  const double mfu_per_sample = session_.mfu_per_sample();
  journal_ = std::make_unique<Journal>(config_, world_, ledger_, cache_, step, session_.loader->samples(),
                                       mfu_per_sample);
  feed_.begin(step, mfu_per_sample);
  journal_->note(session_.description());
  if (const std::string warning = comm::binding_warning(session_.threads); !warning.empty())
    journal_->note("warning: " + warning);
  if (!session_.device_note.empty()) journal_->note("warning: " + session_.device_note);
  if (found) {
    journal_->note(fmt::format("goes on from step {} ({})", step, found->folder.string()));
    feed_.saved(found->folder, 0);
  }

  step::AgreedStepControl control(*session_.communicator, [] { return StopRequest::requested(); });
  memory::LeakGate gate(ledger_, config_.memory.leak);
  step::Step one = session_.make_step(control, gate);
  while (step < config_.run.steps) {
    if (lease_ != nullptr) lease_->check();
    const step::StepReport report = one.run(step);
    ++step;
    cache_.end_step();
    journal_->step(report);
    feed_.step(report);
    const bool last = step == config_.run.steps;
    // Weights that have just overflowed are none to go back to: a save that is due waits for a step that is
    // taken.
    save_due_ |= due(step, config_.checkpoint.every);
    if (last || report.stop || (save_due_ && report.taken())) save();
    const bool stops = report.stop && !last;
    if (!last && !stops && due(step, config_.run.evaluate_every)) journal_->evaluation(step, evaluation());
    if (!last && !stops && due(step, config_.run.sample_every)) sample();
    journal_->close_step(report.step);
    feed_.close_step();
    if (stops) return stopped();
  }
  return finished();
}

std::string Training::last_checkpoint(const std::optional<checkpoint::Found>& found) const {
  if (saved_ < 0 && !found) return "no checkpoint had been saved yet";
  return fmt::format("the last good checkpoint is kept: step {} in {}", saved_ < 0 ? found->step : saved_,
                     (config_.run.folder() / "checkpoints").string());
}

void Training::save() {
  const memory::StageScope stage(ledger_, memory::Stage::save);
  const MetricsFeed::Spent spent(feed_, memory::Stage::save);
  store_.save(session_.cursor.step, session_.parts(), origin_);
  feed_.saved(checkpoint::step_folder(config_.run.folder() / "checkpoints", session_.cursor.step),
              spent.seconds());
  saved_ = session_.cursor.step;
  save_due_ = false;
}

Evaluation Training::evaluation() {
  const memory::StageScope stage(ledger_, memory::Stage::evaluate);
  const memory::TemporaryUse temporary(cache_);
  const MetricsFeed::Spent spent(feed_, memory::Stage::evaluate);
  const Evaluation result = evaluate(*session_.model->phases().front(), session_.runner, *session_.test,
                                     *session_.communicator, session_.feed);
  feed_.evaluated(result.loss);
  return result;
}

// The others wait for rank 0 in the next step's first collective.
void Training::sample() {
  if (world_.rank() != 0) return;
  const memory::StageScope stage(ledger_, memory::Stage::evaluate);
  const memory::TemporaryUse temporary(cache_);
  const auto folder = config_.run.folder() / "samples" / fmt::format("step-{:08}", session_.cursor.step);
  make_folders(folder);
  write_samples(session_, folder);
  journal_->sampled();
}

ExitCode Training::stopped() {
  const std::string signal = StopRequest::signal_name();
  journal_->end();
  journal_->note(
      fmt::format("stopped after step {}{}; checkpoint saved. Run the same command again to go on.",
                  session_.cursor.step, signal.empty() ? " on another rank's signal" : " on " + signal));
  return ExitCode::stopped;
}

ExitCode Training::finished() {
  const Evaluation result = evaluation();
  journal_->evaluation(session_.cursor.step, result);
  journal_->end();
  Summary summary(config_, world_, ledger_);
  summary.collect();
  if (world_.rank() == 0) {
    const memory::StageScope stage(ledger_, memory::Stage::evaluate);
    const Results results{session_.cursor.step, result.loss, summary.text(result)};
    write_results(config_.run.folder(), results);
    if (config_.run.samples) write_samples(session_, config_.run.folder());
    std::fputs(results.text.c_str(), stdout);
    std::fflush(stdout);
  }
  return ExitCode::ok;
}

// Numerics fail on every rank alike, so rank 0 speaks for all, and names what is left to go on from.
ExitCode run_or_name_checkpoint(Training& training, const std::optional<checkpoint::Found>& found,
                                const comm::World& world) {
  try {
    return training.run(found);
  } catch (const Error& error) {
    if (error.code() != ExitCode::numerics) throw;
    if (world.rank() != 0) throw comm::ReportedElsewhere(error.code());
    throw Error(ExitCode::numerics, fmt::format("{}\n  {}", error.what(), training.last_checkpoint(found)));
  }
}

}  // namespace

ExitCode train(Config& config, comm::World& world, memory::Ledger& ledger, memory::BlockCache& cache) {
  const config::Section section = described(config);
  const double timeout = config.parallel.timeout_s;
  require_same_configuration(world, config::digest(section), timeout);
  comm::agree(world, timeout, [&] { world.expect_ranks(config.parallel.ranks); });
  comm::agree(world, timeout, [&] { check_inputs(config, world); });

  const StopRequest stop;
  const std::filesystem::path run = config.run.folder();
  const bool speaks = world.rank() == 0;
  std::unique_ptr<checkpoint::Lease> lease;
  comm::agree(world, std::max(timeout, 1e9), [&] {
    if (speaks)
      lease =
          std::make_unique<checkpoint::Lease>(run, config.run.when_held, config.run.lease_expires_s / 4,
                                              config.run.lease_expires_s, print_note, StopRequest::requested);
  });

  const checkpoint::Origin origin{config::mathematical_values(section), config::resolved_yaml(section)};
  checkpoint::Store store(run, config.checkpoint, world, timeout);
  const auto found = store.newest([&](const std::string& text) {
    if (speaks) print_note(text);
  });
  if (found) comm::agree(world, timeout, [&] { store.require_same_mathematics(*found, origin); });
  if (found && found->step >= config.run.steps) {
    // Rank 0's view counts: another host may see the folder late. Results of fewer steps are an earlier
    // run's.
    const auto text = comm::gather_from_all(world, timeout, [&] {
      const auto results = speaks ? read_results(run) : std::nullopt;
      return results && results->steps == found->step ? results->text : std::string();
    })[0];
    if (!text.empty()) {
      if (speaks) std::fputs(text.c_str(), stdout);
      return ExitCode::ok;
    }
  }
  core::PlainRunner runner;
  Training training(config, world, ledger, cache, runner, store, origin, lease.get());
  if (speaks) write_configuration(run, origin.resolved_config);
  return run_or_name_checkpoint(training, found, world);
}

}  // namespace ebb::train
