// SPDX-License-Identifier: Apache-2.0
#include "launch/launch.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "base/terminal.h"
#include "cli/checks.h"
#include "cli/commands.h"

namespace ebb::cli {
namespace {

void add_supervision(CLI::App& command, launch::LaunchOptions& options) {
  CLI::Option* supervise = command.add_flag(
      "--supervise", options.supervise,
      "Restart mpirun after codes 5, 8 and 75, and store the verdict on a failure that a retry "
      "cannot fix");
  command
      .add_option("--restarts", options.restarts,
                  "With --supervise: how many restarts without a newer checkpoint between them")
      ->capture_default_str()
      ->check(not_negative<int>())
      ->needs(supervise);
  command
      .add_option("--restart-pause", options.restart_pause,
                  "With --supervise: pause before the first restart; it doubles each time, up to 5m")
      ->capture_default_str()
      ->needs(supervise);
  command
      .add_option("--attempt", options.attempt,
                  "With --supervise: a failure of this attempt that a retry cannot fix is reported again, "
                  "not retried")
      ->envname("EBB_ATTEMPT")
      ->capture_default_str();
  command.add_option("--termination-message", options.termination_message,
                     "File for code, rank, host and error in one line (at most 4096 bytes)");
}

// Rank 0 may show its progress line on the same terminal.
void report_over_progress(const std::string& message) {
  if (screen_of(STDOUT_FILENO) == Screen::full && screen_of(STDERR_FILENO) == Screen::full)
    std::fputs("\r\033[K", stderr);
  report(message);
}

}  // namespace

void add_launch(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<launch::LaunchOptions>();
  CLI::App* command = add_command(app, "launch");
  command->add_option("-n,--ranks", options->ranks,
                      "Number of ranks (processes); in a Slurm job without --hostfile its tasks by default, "
                      "else 1");
  command->add_option("--hostfile", options->plan.hostfile,
                      "Open MPI's host file, a name and slots=N per line; ranks are started there by ssh");
  command
      ->add_option("--forward", options->plan.forward,
                   "Environment variable to pass on to ranks on other hosts; may be repeated")
      ->allow_extra_args(false);
  command->add_option("--wait", options->wait,
                      "With --hostfile: how long to wait for all hosts before each start, such as 600s");
  command->add_option("--port", options->port, "The port that --wait tries: that of sshd")
      ->capture_default_str()
      ->check(CLI::Range(1, 65535));
  add_supervision(*command, *options);
  command->add_flag("--preflight", options->preflight,
                    "Run ebb preflight before each start, and end with its code if it fails");
  command->add_flag("--print", options->print_only, "Print the mpirun command and run nothing");
  command->add_option("CONFIG", options->config, "The YAML file of the run")->required();
  command->add_option("overrides", options->overrides, "key.path=value, applied after the file");
  command->callback([options, &invocation] {
    invocation.run = [options, &invocation] {
      return launch::launch(*options, invocation.registries, report_over_progress);
    };
  });
}

}  // namespace ebb::cli
