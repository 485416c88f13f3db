// SPDX-License-Identifier: Apache-2.0
#include "cli/core_program.h"

#include <signal.h>

#include <CLI/CLI.hpp>

#include "base/process.h"
#include "base/terminal.h"
#include "cli/commands.h"
#include "cli/help_formatter.h"
#include "doctor/versions.h"

namespace ebb::cli {

int core_program(int argc, char** argv, const train::Registries& registries,
                 const models::RunnerFactory& make_runner) {
  prepare_process();
  ::signal(SIGUSR2, SIG_IGN);  // asks a run for a report (train/report_request.h), and never ends a program
  CLI::App app("ebb trains generative models on many ranks and accounts for every byte of them.", "ebb");
  fit_help(app, output_columns());
  app.require_subcommand(1);
  app.set_version_flag(
      "--version", [] { return doctor::version_text(); }, "Print the versions of ebb and of what it links");
  Invocation invocation{argc, argv, registries, {}, make_runner};
  add_train(app, invocation);
  add_sample(app, invocation);
  add_evaluate(app, invocation);
  add_export(app, invocation);
  add_import(app, invocation);
  add_data(app, invocation);
  add_plan(app, invocation);
  add_preflight(app, invocation);
  add_doctor(app, invocation);
  return run_program(app, invocation);
}

}  // namespace ebb::cli
