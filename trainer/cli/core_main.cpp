// `ebb-core`: the commands that need the framework. Users call `ebb`, and mpirun starts this program for
// every rank; all its messages say `ebb`.
#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "doctor/versions.h"

int main(int argc, char** argv) {
  using namespace ebb;
  CLI::App app("ebb trains generative models on many ranks and accounts for every byte of them.", "ebb");
  app.require_subcommand(1);
  app.set_version_flag(
      "--version", [] { return doctor::version_text(); }, "Print the versions of ebb and of what it links");
  cli::Invocation invocation{argc, argv, {}};
  cli::add_train(app, invocation);
  cli::add_sample(app, invocation);
  cli::add_weights(app, invocation);
  cli::add_data(app, invocation);
  cli::add_plan(app, invocation);
  cli::add_preflight(app, invocation);
  cli::add_doctor(app, invocation);
  return cli::run_program(app, invocation);
}
