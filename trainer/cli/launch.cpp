#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/units.h"
#include "cli/commands.h"
#include "cli/hosts.h"
#include "cli/mpirun_line.h"
#include "cli/supervise.h"
#include "train/config.h"

namespace ebb::cli {
namespace {

struct LaunchOptions {
  LaunchPlan plan;
  bool print_only = false;
  std::string wait;
  int port = 22;
  std::string config;
  std::vector<std::string> overrides;
};

void wait_for_workers(const LaunchOptions& options, const std::vector<std::string>& hosts) {
  const auto seconds = parse_duration(options.wait);
  if (!seconds)
    throw Error(
        ExitCode::usage,
        fmt::format("launch: --wait {} is no time: give a number with a unit, such as 600s", options.wait));
  wait_for_hosts(hosts, options.port, *seconds, report);
}

ExitCode launch(const LaunchOptions& options) {
  if (options.plan.ranks < 1) {
    throw Error(ExitCode::usage,
                fmt::format("launch: -n {}: at least one rank is needed, -n 1 or more", options.plan.ranks));
  }
  std::vector<std::string> hosts;
  if (!options.plan.hostfile.empty())
    hosts = read_hostfile(options.plan.hostfile);
  else if (!options.wait.empty())
    throw Error(ExitCode::usage, "launch: --wait waits for the hosts of a host file: give --hostfile too");
  const LaunchHost host = look_at_launch_host();
  // Once, here, instead of a message from every rank.
  train::Config config;
  train::load(config, options.config, options.overrides);
  if (config.parallel.ranks > 0 && config.parallel.ranks != options.plan.ranks) {
    throw Error(
        ExitCode::usage,
        fmt::format("launch: -n {} ranks, but parallel.ranks of {} says {}: make them the same, or set "
                    "parallel.ranks=0 to take any number",
                    options.plan.ranks, options.config, config.parallel.ranks));
  }
  std::vector<std::string> program = {own_binary(), "train", options.config};
  program.insert(program.end(), options.overrides.begin(), options.overrides.end());
  const LaunchLine line = mpirun_line(host, options.plan, program);
  std::printf("%s\n", shell_line(line).c_str());
  std::fflush(stdout);
  if (options.print_only) return ExitCode::ok;
  if (!options.wait.empty()) wait_for_workers(options, hosts);
  const Verdict end = verdict(run_supervised(host, line, report));
  if (!end.message.empty()) report(end.message);
  return end.code;
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
                      "With --hostfile: so long for all hosts to answer, such as 600s");
  command
      ->add_option("--port", options->port,
                   "The port at which --wait tries them: sshd's, as ssh itself is configured")
      ->capture_default_str()
      ->check(CLI::Range(1, 65535));
  command->add_flag("--print", options->print_only, "Print the mpirun line and run nothing");
  command->add_option("CONFIG", options->config, "The YAML file of the run")->required();
  command->add_option("overrides", options->overrides, "key.path=value, applied after the file");
  command->callback([options, &invocation] { invocation.run = [options] { return launch(*options); }; });
}

}  // namespace ebb::cli
