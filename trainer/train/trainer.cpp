// SPDX-License-Identifier: Apache-2.0
#include "train/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "base/printable.h"
#include "base/terminal.h"
#include "comm/run_on_all_ranks.h"
#include "config/document.h"
#include "train/memory_check.h"
#include "train/memory_report.h"
#include "train/open_run.h"
#include "train/resume.h"
#include "train/run_folder.h"
#include "train/run_logger.h"
#include "train/training.h"

namespace ebb::train {

namespace {

// All ranks must have the same configuration before any other collective.
void require_same_configuration(const comm::World& world, const std::string& digest, double timeout_s) {
  const std::vector<std::string> digests = world.gather_to_all(digest, timeout_s);
  const auto other = std::find_if(digests.begin(), digests.end(),
                                  [&](const std::string& d) { return d != digests.front(); });
  if (other == digests.end()) return;
  if (world.rank() != 0) throw comm::RemoteError(ExitCode::usage);
  throw Error(ExitCode::usage, fmt::format("ranks have different configurations: digest {} on rank 0, {} on "
                                           "rank {}. Does the file, an override or an environment "
                                           "variable differ on that host?",
                                           digests.front(), *other, other - digests.begin()));
}

// A finished run that lacks some evaluates again, and writes them.
bool has_its_samples(const Config& config) {
  const auto is_there = [&](const models::SampleFile& file) {
    std::error_code error;
    return std::filesystem::exists(config.run.folder() / file.name, error);
  };
  return !config.run.samples || std::ranges::all_of(config.model.family().texts.sample_files, is_there);
}

// Numerics fail on every rank alike, so only rank 0 reports the error. It names the checkpoint to resume
// from.
ExitCode run_or_name_checkpoint(Training& training, const std::optional<checkpoint::CheckpointFolder>& found,
                                const comm::World& world) {
  try {
    return training.run(found);
  } catch (const Error& error) {
    if (error.code() != ExitCode::numerics) throw;
    if (world.rank() != 0) throw comm::RemoteError(error.code());
    throw Error(ExitCode::numerics, fmt::format("{}\n  {}", error.what(), training.resume_hint(found)));
  }
}

// The most that any host needs. Collective.
void agree_on_micro_batches(Config& config, const Environment& environment, const PlannedRun& run) {
  const std::vector<std::string> needed =
      comm::gather_from_all(environment.world, config.parallel.timeout_s, [&] {
        return std::to_string(choose_micro_batches(config, environment.world, environment.device, run));
      });
  std::int64_t most = 1;
  for (const std::string& of_rank : needed) most = std::max<std::int64_t>(most, std::stoll(of_rank));
  config.data.micro_batches = most;
  if (environment.world.rank() == 0)
    print_note(fmt::format("data.micro_batches is auto: {} of {} samples on each rank", most,
                           config.data.batch / most / environment.world.size()));
}

constexpr std::size_t kChangesOnScreen = 3;  // with the others, an error has ten lines

// The first `count` lines, each after a line break.
std::string indented(const std::vector<std::string>& lines, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < std::min(count, lines.size()); ++i) text += "\n  " + lines[i];
  return text;
}

}  // namespace

ExitCode train(Config& config, comm::World& world, memory::Ledger& ledger, memory::BlockCache& cache,
               const models::RunnerFactory& make_runner, telemetry::Heartbeat* heartbeat) {
  const config::Section section = described(config);
  const double timeout = config.parallel.timeout_s;
  require_same_configuration(world, config::digest(section), timeout);
  comm::run_on_all_ranks(world, timeout, [&] { world.expect_ranks(config.parallel.ranks); });

  const StopRequest stop;
  ReportRequest report;
  OpenedRun opened = open_run(config, world, stop);
  const std::filesystem::path run = config.run.folder();
  const bool speaks = world.rank() == 0;
  if (speaks) remove_leftovers(run);

  checkpoint::Store store(run, config.checkpoint, world, timeout);
  comm::run_on_all_ranks(world, timeout, [&] {
    if (speaks) finish_rollback(run);
  });
  const auto found = store.newest([&](const std::string& text) {
    if (speaks) print_note(text);
  });
  // A new run reads no data before it knows that it has the memory.
  std::string contents;
  if (found) {
    contents = contents_of_all_ranks(config, opened.splits, world);
    comm::run_on_all_ranks(world, timeout, [&] {
      take_saved_micro_batches(config, *found, world.size());
      store.require_compatible(*found, run_configuration(config, contents, found));
    });
  }
  if (found && found->step >= config.run.steps) {
    // Rank 0's view decides: another host may see the folder late. Results of fewer steps belong to an
    // earlier run.
    const auto text = comm::gather_from_all(world, timeout, [&] {
      const auto results = speaks ? read_results(run) : std::nullopt;
      return results && results->steps == found->step && has_its_samples(config) ? results->text : "";
    })[0];
    if (!text.empty()) {
      if (speaks) std::fputs(wrap(printable(text), output_columns()).c_str(), stdout);
      return ExitCode::ok;
    }
  }
  Environment environment = open_environment(config, world, ledger, cache);
  CheckedPlan plan;
  const PlannedRun planned = planned_run(config, opened.splits, world.size(), make_runner);
  if (!config.data.micro_batches) agree_on_micro_batches(config, environment, planned);
  const std::vector<std::string> notes = comm::gather_from_all(world, timeout, [&] {
    plan = check_memory(config, world, environment.device, planned);
    return plan.note;
  });
  if (!found) contents = contents_of_all_ranks(config, opened.splits, world);
  checkpoint::RunConfiguration configuration;
  comm::run_on_all_ranks(world, timeout, [&] { configuration = run_configuration(config, contents, found); });
  // Rank 0 prints the warning of the first host that has one.
  const auto note = std::ranges::find_if(notes, [](const std::string& text) { return !text.empty(); });
  if (note != notes.end()) plan.note = *note;
  // After the check, which measures this process without tensors and buffers.
  ledger.keep_history(memory::Ledger::Location::host, config.memory.history);
  if (environment.device.is_cuda())
    ledger.keep_history(memory::Ledger::Location::device, config.memory.history);
  MemoryReporter reporter(environment, report, run, plan.need);
  try {
    Training training(config, environment, std::move(opened.splits),
                      {store, configuration, opened.lease.get()}, {stop, report, reporter, heartbeat}, plan,
                      make_runner);
    if (speaks) write_configuration(run, configuration.resolved_config);
    return run_or_name_checkpoint(training, found, world);
  } catch (const memory::OutOfMemory& error) {
    // The memory of the run is free now, so that there is some for plans.
    const std::vector<std::string> changes = changes_after(error, config, planned, plan);
    reporter.append(indented(changes, changes.size()));
    reporter.wait_for_peers();
    throw Error(error.code(), error.what() + indented(changes, kChangesOnScreen));
  }
}

}  // namespace ebb::train
