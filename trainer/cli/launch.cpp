#include "launch/launch.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/commands.h"

namespace ebb::cli {
namespace {

void add_supervision(CLI::App& command, launch::LaunchOptions& options) {
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
  auto options = std::make_shared<launch::LaunchOptions>();
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
  command->callback(
      [options, &invocation] { invocation.run = [options] { return launch::launch(*options, report); }; });
}

}  // namespace ebb::cli
