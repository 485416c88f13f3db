#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/mpirun_line.h"
#include "cli/supervise.h"
#include "train/config.h"

namespace ebb::cli {
namespace {

struct LaunchOptions {
  int ranks = 1;
  bool print_only = false;
  std::string config;
  std::vector<std::string> overrides;
};

ExitCode launch(const LaunchOptions& options) {
  if (options.ranks < 1) {
    throw Error(ExitCode::usage,
                fmt::format("launch: -n {}: at least one rank is needed, -n 1 or more", options.ranks));
  }
  const LaunchHost host = look_at_launch_host();
  // Once, here, instead of a message from every rank.
  train::Config config;
  train::load(config, options.config, options.overrides);
  if (config.parallel.ranks > 0 && config.parallel.ranks != options.ranks) {
    throw Error(
        ExitCode::usage,
        fmt::format("launch: -n {} ranks, but parallel.ranks of {} says {}: make them the same, or set "
                    "parallel.ranks=0 to take any number",
                    options.ranks, options.config, config.parallel.ranks));
  }
  std::vector<std::string> program = {own_binary(), "train", options.config};
  program.insert(program.end(), options.overrides.begin(), options.overrides.end());
  const LaunchLine line = mpirun_line(host, options.ranks, program);
  std::printf("%s\n", shell_line(line).c_str());
  std::fflush(stdout);
  if (options.print_only) return ExitCode::ok;
  const Verdict end = verdict(run_supervised(host, line, report));
  if (!end.message.empty()) report(end.message);
  return end.code;
}

}  // namespace

void add_launch(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<LaunchOptions>();
  CLI::App* command = app.add_subcommand(
      "launch", "Train on several ranks of this machine: mpirun with the flags that fit it");
  command->add_option("-n,--ranks", options->ranks, "Number of ranks (processes)")->capture_default_str();
  command->add_flag("--print", options->print_only, "Print the mpirun line and run nothing");
  command->add_option("CONFIG", options->config, "The YAML file of the run")->required();
  command->add_option("overrides", options->overrides, "key.path=value, applied after the file");
  command->callback([options, &invocation] { invocation.run = [options] { return launch(*options); }; });
}

}  // namespace ebb::cli
