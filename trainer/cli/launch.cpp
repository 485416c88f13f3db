#include <fmt/format.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/process.h"
#include "base/units.h"
#include "checkpoint/folders.h"
#include "checkpoint/manifest.h"
#include "cli/commands.h"
#include "cli/hosts.h"
#include "cli/mpirun_line.h"
#include "cli/restarts.h"
#include "cli/stored_verdict.h"
#include "cli/supervise.h"
#include "cli/versions.h"
#include "config/document.h"
#include "train/config.h"

namespace ebb::cli {
namespace {

constexpr int kStoppedEarly = 128 + SIGUSR1;  // as of a rank that a request to stop met before it listened

struct LaunchOptions {
  LaunchPlan plan;
  bool print_only = false;
  std::string wait;
  int port = 22;
  bool preflight = false;
  bool supervise = false;
  int restarts = 5;
  std::string restart_pause = "5s";
  std::string attempt = "1";
  std::string termination_message;
  std::string config;
  std::vector<std::string> overrides;
};

double seconds_of(const char* option, const std::string& text) {
  const auto seconds = parse_duration(text);
  if (seconds) return *seconds;
  throw Error(ExitCode::usage,
              fmt::format("launch: {} {} is no time: give a number with a unit, such as 600s", option, text));
}

std::vector<std::string> hosts_of(const LaunchOptions& options) {
  if (options.plan.ranks < 1) {
    throw Error(ExitCode::usage,
                fmt::format("launch: -n {}: at least one rank is needed, -n 1 or more", options.plan.ranks));
  }
  if (!options.plan.hostfile.empty()) return read_hostfile(options.plan.hostfile);
  if (!options.wait.empty())
    throw Error(ExitCode::usage, "launch: --wait waits for the hosts of a host file: give --hostfile too");
  return {};
}

void require_ranks(const LaunchOptions& options, const train::Config& config) {
  if (config.parallel.ranks == 0 || config.parallel.ranks == options.plan.ranks) return;
  throw Error(ExitCode::usage,
              fmt::format("launch: -n {} ranks, but parallel.ranks of {} says {}: make them the same, or set "
                          "parallel.ranks=0 to take any number",
                          options.plan.ranks, options.config, config.parallel.ranks));
}

// Of the newest whole checkpoint; -1 where there is none, or storage does not say.
std::int64_t saved_step(const std::filesystem::path& run) {
  try {
    for (const checkpoint::Found& found : checkpoint::list_checkpoints(run / "checkpoints"))
      if (std::filesystem::exists(found.folder / checkpoint::kDoneName)) return found.step;
  } catch (const std::exception&) {
  }
  return -1;
}

Ending repeated(const StoredVerdict& stored) {
  return {{stored.code,
           fmt::format("attempt {} ended on {} with code {} and would again: {}\n  another attempt "
                       "(--attempt, in the chart job.attempt) or a changed configuration is tried anew",
                       stored.job.attempt, stored.time, static_cast<int>(stored.code), stored.message)},
          {stored.rank, stored.host, stored.message}};
}

// What was found out is kept for who starts the same job again.
void remember(const std::filesystem::path& run, const JobIdentity& job, const Ending& ending) {
  if (ending.verdict.code == ExitCode::ok) return remove_verdict(run);
  if (!is_final(ending.verdict.code)) return;
  const std::string& told = ending.words.text.empty() ? ending.verdict.message : ending.words.text;
  try {
    store_verdict(
        run, {ending.verdict.code, in_one_line(told), ending.words.rank, ending.words.host, utc_now(), job});
  } catch (const Error& error) {
    report(fmt::format("warning: the end of this attempt is not stored, and it may be tried again: {}",
                       error.what()));
  }
}

// mpirun with a command of this program on the run's configuration.
LaunchLine line_for(const LaunchHost& host, const LaunchOptions& options, std::vector<std::string> command) {
  command.insert(command.begin(), own_binary());
  command.push_back(options.config);
  command.insert(command.end(), options.overrides.begin(), options.overrides.end());
  return mpirun_line(host, options.plan, command);
}

// All of `ebb launch`, up to what is done about its end.
Ending run_to_end(const LaunchOptions& options, const SignalsHeld& signals) {
  const std::vector<std::string> hosts = hosts_of(options);
  const double wait_s = options.wait.empty() ? 0 : seconds_of("--wait", options.wait);
  const double pause_s = seconds_of("--restart-pause", options.restart_pause);
  // Once, here, instead of a message from every rank.
  train::Config config;
  train::load(config, options.config, options.overrides);
  require_ranks(options, config);
  const std::filesystem::path run = config.run.folder();
  const JobIdentity job{
      options.attempt,
      fmt::format("{} on {} ranks", config::digest(train::described(config)), options.plan.ranks),
      versions().ebb};
  if (options.supervise && !options.print_only) {
    if (const auto stored = read_verdict(run); stored && stored->job == job) return repeated(*stored);
  }
  const LaunchHost host = look_at_launch_host();
  const std::string ranks = std::to_string(options.plan.ranks);
  const LaunchLine line = line_for(host, options, {"train", "--ranks", ranks});
  std::printf("%s\n", shell_line(line).c_str());
  std::fflush(stdout);
  if (options.print_only) return {};

  const auto stop_within = [&](double seconds) { return signals.stop_within(seconds); };
  const auto wait = [&] {
    if (!options.wait.empty()) wait_for_hosts(hosts, options.port, wait_s, report, stop_within);
  };
  const Attendance attendance = options.supervise ? Attendance::scheduler : Attendance::person;
  const auto once = [&] {
    if (options.preflight) {
      RunEnd end = run_supervised(host, line_for(host, options, {"preflight", "--ranks", ranks}), signals,
                                  attendance, report);
      if (end.code == 0 && end.stop_requests > 0) end.code = kStoppedEarly;
      if (end.code != 0) return end;
    }
    return run_supervised(host, line, signals, attendance, report);
  };
  wait();
  if (!options.supervise) {
    const RunEnd end = once();
    return {verdict(end), end.words};
  }
  Ending ending = keep_going({once, wait, [&] { return saved_step(run); }, stop_within, report},
                             options.restarts, pause_s);
  remember(run, job, ending);
  return ending;
}

ExitCode launch(LaunchOptions options) {
  // From here on to the message that it leaves: another request to stop on the way changes nothing.
  const SignalsHeld signals;
  // Another launcher of the same run is one to wait for, and its folder none to leave a verdict in.
  if (options.supervise) options.overrides.push_back("run.when_held=wait");
  const auto leave_message = [&](ExitCode code, const LastWords& words) {
    if (options.termination_message.empty()) return;
    if (!write_termination_message(options.termination_message, describe_end(code, words)))
      report("warning: cannot write " + options.termination_message);
  };
  try {
    const Ending ending = run_to_end(options, signals);
    LastWords words = ending.words;
    // Of a kill for lack of memory mpirun tells no more than the signal.
    if (words.text.empty() || (ending.verdict.code == ExitCode::memory && !words.rank_has_spoken))
      words.text = ending.verdict.message;
    if (!options.print_only) leave_message(ending.verdict.code, words);
    if (!ending.verdict.message.empty()) report(ending.verdict.message);
    return ending.verdict.code;
  } catch (const Error& error) {
    leave_message(error.code(), {-1, host_name(), error.what()});
    throw;
  }
}

void add_supervision(CLI::App& command, LaunchOptions& options) {
  CLI::Option* supervise = command.add_flag(
      "--supervise", options.supervise,
      "Start mpirun again after what another try may mend (codes 5, 8, 75), and keep what is final");
  command
      .add_option("--restarts", options.restarts,
                  "With --supervise: so many times without a newer checkpoint between them")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber)
      ->needs(supervise);
  command
      .add_option("--restart-pause", options.restart_pause,
                  "With --supervise: before the first; each further one waits twice as long, up to 5m")
      ->capture_default_str()
      ->needs(supervise);
  command
      .add_option(
          "--attempt", options.attempt,
          "With --supervise: a final failure of this attempt is told again instead of being tried again")
      ->envname("EBB_ATTEMPT")
      ->capture_default_str();
  command.add_option("--termination-message", options.termination_message,
                     "File that gets code, rank, host and the error in one line (at most 4096 bytes)");
}

}  // namespace

void add_launch(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<LaunchOptions>();
  CLI::App* command = app.add_subcommand(
      "launch", "Train on several ranks, of this machine or of several: mpirun with the flags that fit");
  command->add_option("-n,--ranks", options->plan.ranks, "Number of ranks (processes)")
      ->capture_default_str();
  command->add_option("--hostfile", options->plan.hostfile,
                      "Open MPI's file of hosts, a name and slots=N a line: ranks go there, by ssh");
  command
      ->add_option("--forward", options->plan.forward,
                   "Variable of the environment that ranks on other hosts get too; may be given again")
      ->allow_extra_args(false);
  command->add_option("--wait", options->wait,
                      "With --hostfile: so long for all hosts to answer, such as 600s, before each start");
  command
      ->add_option("--port", options->port,
                   "The port at which --wait tries them: sshd's, as ssh itself is configured")
      ->capture_default_str()
      ->check(CLI::Range(1, 65535));
  add_supervision(*command, *options);
  command->add_flag(
      "--preflight", options->preflight,
      "Before each start, try what the run needs of all hosts (ebb preflight), and end with its code");
  command->add_flag("--print", options->print_only, "Print the mpirun line and run nothing");
  command->add_option("CONFIG", options->config, "The YAML file of the run")->required();
  command->add_option("overrides", options->overrides, "key.path=value, applied after the file");
  command->callback([options, &invocation] { invocation.run = [options] { return launch(*options); }; });
}

}  // namespace ebb::cli
