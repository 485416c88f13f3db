// SPDX-License-Identifier: Apache-2.0
#include "launch/launch.h"

#include <fmt/format.h>
#include <signal.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "base/printable.h"
#include "base/process.h"
#include "base/units.h"
#include "base/version.h"
#include "checkpoint/folders.h"
#include "checkpoint/manifest.h"
#include "config/document.h"
#include "launch/bounded_call.h"
#include "launch/core_executable.h"
#include "launch/hosts.h"
#include "launch/mpirun_process.h"
#include "launch/restart_policy.h"
#include "launch/slurm.h"
#include "launch/stall_watch.h"
#include "launch/start_environment.h"
#include "launch/stored_verdict.h"

namespace ebb::launch {
namespace {

using Report = std::function<void(const std::string&)>;

constexpr auto kStorageAnswers = std::chrono::seconds(20);
constexpr int kStoppedEarly = 128 + SIGUSR1;  // SIGUSR1 ended a rank that had no handler yet

double seconds_of(const char* option, const std::string& text) {
  const auto seconds = parse_duration(text);
  if (seconds) return *seconds;
  throw Error(
      ExitCode::usage,
      fmt::format("launch: {} {} is not a duration: give a number with a unit, such as 600s", option, text));
}

std::vector<std::string> hosts_of(const LaunchOptions& options) {
  if (options.ranks.value_or(1) < 1) {
    throw Error(ExitCode::usage,
                fmt::format("launch: -n {}: at least one rank is needed, -n 1 or more", *options.ranks));
  }
  if (!options.plan.hostfile.empty()) return read_hostfile(options.plan.hostfile);
  if (!options.wait.empty())
    throw Error(ExitCode::usage, "launch: --wait waits for the hosts of a host file: give --hostfile too");
  return {};
}

// verdict.json holds it.
void require_text(const char* option, const std::string& text) {
  const std::string problem = unprintable_problem(text);
  if (!problem.empty()) throw Error(ExitCode::usage, fmt::format("launch: {} {} {}", option, text, problem));
}

void require_ranks(const LaunchOptions& options, const train::Config& config) {
  if (config.parallel.ranks == 0 || config.parallel.ranks == options.plan.ranks) return;
  throw Error(ExitCode::usage,
              fmt::format("launch: -n {} ranks, but parallel.ranks of {} says {}: make them the same, or set "
                          "parallel.ranks=0 to allow any number",
                          options.plan.ranks, options.config, config.parallel.ranks));
}

// Returns the step of the newest checkpoint with DONE; -1 if there is none or its folder cannot be read.
std::int64_t saved_step(const std::filesystem::path& run) {
  try {
    for (const checkpoint::CheckpointFolder& found : checkpoint::list_checkpoints(run / "checkpoints"))
      if (std::filesystem::exists(found.folder / checkpoint::kDoneName)) return found.step;
  } catch (const std::exception&) {
  }
  return -1;
}

RunOutcome repeated(const StoredVerdict& stored) {
  return {{stored.code,
           fmt::format("attempt {} ended on {} with code {} and would fail again: {}\n  to retry, pass "
                       "another --attempt (job.attempt in the chart) or change the configuration",
                       stored.job.attempt, stored.time, static_cast<int>(stored.code), stored.message)},
          {stored.rank, stored.host, stored.message}};
}

// Keeps a failure that a retry cannot fix for the next start of the same job.
void store_final_verdict(const std::filesystem::path& run, const JobIdentity& job, const RunOutcome& outcome,
                         const Report& report) {
  if (outcome.verdict.code == ExitCode::ok) return remove_verdict(run);
  if (!is_final(outcome.verdict.code)) return;
  const std::string& message = outcome.error.text.empty() ? outcome.verdict.message : outcome.error.text;
  try {
    store_verdict(run, {outcome.verdict.code, join_lines(message), outcome.error.rank, outcome.error.host,
                        utc_now(), job});
  } catch (const Error& error) {
    report(fmt::format("warning: cannot store the result of this attempt, so it may be retried: {}",
                       error.what()));
  }
}

// Makes the mpirun command that runs a command of ebb-core with the run's configuration.
MpirunCommand command_for(const LaunchHost& host, const LaunchOptions& options,
                          std::vector<std::string> command) {
  command.insert(command.begin(), core_executable());
  command.push_back(options.config);
  command.insert(command.end(), options.overrides.begin(), options.overrides.end());
  return mpirun_command(host, options.plan, command);
}

// Does all work of `ebb launch` except the report of its end.
RunOutcome run_to_end(LaunchOptions options, const train::Registries& registries,
                      const ScopedSignalBlock& signals, const Report& report) {
  require_text("--attempt", options.attempt);
  const std::vector<std::string> hosts = hosts_of(options);
  const std::optional<SlurmJob> job_of_slurm = read_slurm_job();
  options.plan.ranks =
      job_of_slurm ? ranks_in_job(*job_of_slurm, options.ranks, hosts) : options.ranks.value_or(1);
  const double wait_s = options.wait.empty() ? 0 : seconds_of("--wait", options.wait);
  const double pause_s = seconds_of("--restart-pause", options.restart_pause);
  // Errors of the configuration are reported once here, not by every rank.
  train::Config config(registries);
  train::load(config, options.config, options.overrides);
  require_ranks(options, config);
  const std::filesystem::path run = config.run.folder();
  const JobIdentity job{
      options.attempt,
      fmt::format("{} on {} ranks", config::digest(train::described(config)), options.plan.ranks), version()};
  if (options.supervise && !options.print_only) {
    if (const auto stored = read_verdict(run); stored && stored->job == job) return repeated(*stored);
  }
  if (!options.print_only) prepare_start_environment();
  LaunchHost host = inspect_launch_host();
  if (job_of_slurm) use_slurm_job(*job_of_slurm, hosts, host);
  const std::string ranks = std::to_string(options.plan.ranks);
  std::vector<std::string> train_command{"train", "--ranks", ranks};
  std::printf("%s\n", shell_command(command_for(host, options, train_command)).c_str());
  std::fflush(stdout);
  if (options.print_only) return {};
  const double stall_s = config.launch.stall_s;
  // Not in the printed command, which a person may run without a launcher.
  train_command.insert(train_command.end(),
                       {"--heartbeat", std::to_string(StallWatch::heartbeat_period(stall_s).count())});
  const MpirunCommand command = command_for(host, options, train_command);

  const auto stop_within = [&](double seconds) { return signals.stop_within(seconds); };
  const auto wait = [&] {
    if (!options.wait.empty()) wait_for_hosts(hosts, options.port, wait_s, report, stop_within);
  };
  RunRules rules{.ranks = options.plan.ranks};
  rules.repeated_sigterm = options.supervise ? RepeatedSigterm::is_ignored : RepeatedSigterm::ends_now;
  const auto once = [&] {
    if (options.preflight) {
      RunEnd end = run_mpirun(host, command_for(host, options, {"preflight", "--ranks", ranks}), signals,
                              rules, report);
      if (end.code == 0 && end.stop_requests > 0) end.code = kStoppedEarly;
      if (end.code != 0) return end;
    }
    RunRules watched = rules;
    watched.stall_s = stall_s;  // preflight has limits of its own, and sends no heartbeats
    return run_mpirun(host, command, signals, watched, report);
  };
  wait();
  if (!options.supervise) {
    const RunEnd end = once();
    return {verdict(end), end.error};
  }
  std::int64_t saved = -1;  // as known
  const auto newest = [&] {
    const auto answer = call_within(kStorageAnswers, [&] { return saved_step(run); });
    if (!answer)
      report(fmt::format("warning: the storage of {} does not answer within {} s", run.string(),
                         kStorageAnswers.count()));
    return saved = answer.value_or(saved);
  };
  RunOutcome outcome =
      run_with_restarts({once, wait, newest, stop_within, report}, options.restarts, pause_s);
  store_final_verdict(run, job, outcome, report);
  return outcome;
}

}  // namespace

ExitCode launch(LaunchOptions options, const train::Registries& registries, const Report& report) {
  if (!options.termination_message.empty()) require_termination_file(options.termination_message);
  // Signals stay blocked until the final message is written, so that another stop request does not interrupt
  // it.
  const ScopedSignalBlock signals;
  ::signal(SIGPIPE, SIG_IGN);  // the run goes on without a reader of its output
  // Ranks wait while another run holds the folder. Otherwise they would end with code 2, and this launcher
  // would store that as the verdict of the job.
  if (options.supervise) options.overrides.emplace_back("run.when_held=wait");
  const auto leave_message = [&](ExitCode code, const ErrorReport& error) {
    if (options.termination_message.empty()) return;
    if (!write_termination_message(options.termination_message, describe_end(code, error)))
      report("warning: cannot write " + options.termination_message);
  };
  try {
    const RunOutcome outcome = run_to_end(options, registries, signals, report);
    ErrorReport error = outcome.error;
    // mpirun reports only the signal when the kernel kills a rank for lack of memory.
    if (error.text.empty() || (outcome.verdict.code == ExitCode::memory && !error.rank_reported))
      error.text = outcome.verdict.message;
    if (!options.print_only) leave_message(outcome.verdict.code, error);
    if (!outcome.verdict.message.empty()) report(outcome.verdict.message);
    return outcome.verdict.code;
  } catch (const Error& error) {
    leave_message(error.code(), {-1, host_name(), error.what()});
    throw;
  }
}

}  // namespace ebb::launch
