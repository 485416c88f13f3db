// SPDX-License-Identifier: Apache-2.0
#include "doctor/doctor.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/commands.h"
#include "cli/ranks.h"
#include "memory/cpu_allocator.h"
#include "memory/ledger.h"
#include "train/config.h"

namespace ebb::cli {
namespace {

struct DoctorOptions {
  bool json = false;
  ConfigArguments config;
};

ExitCode run(const DoctorOptions& options, const Invocation& invocation, comm::World& world) {
  const doctor::OutputForm form = options.json ? doctor::OutputForm::json : doctor::OutputForm::table;
  if (options.config.file.empty()) return doctor::doctor(world, form, nullptr, invocation.make_runner);
  const train::Config config = load_on_ranks(world, invocation.registries, options.config);
  memory::install(*new memory::Ledger);  // outlives all tensors
  return doctor::doctor(world, form, &config, invocation.make_runner);
}

}  // namespace

void add_doctor(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<DoctorOptions>();
  CLI::App* command = add_command(app, "doctor");
  command->add_flag("--json", options->json, "Print facts and checks as JSON");
  add_config_arguments(*command, options->config,
                       "The YAML file of a run: check also whether the machines have what it needs");
  set_ranks_callback(*command, invocation,
                     [options, &invocation](comm::World& world) { return run(*options, invocation, world); });
}

}  // namespace ebb::cli
