// SPDX-License-Identifier: Apache-2.0
#include "doctor/doctor.h"

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/ranks.h"
#include "memory/cpu_allocator.h"
#include "memory/ledger.h"
#include "train/config.h"

namespace ebb::cli {
namespace {

struct DoctorOptions {
  bool json = false;
  std::string config;
  std::vector<std::string> overrides;
};

ExitCode run(const DoctorOptions& options, const models::Families& families, comm::World& world) {
  const doctor::OutputForm form = options.json ? doctor::OutputForm::json : doctor::OutputForm::table;
  if (options.config.empty()) return doctor::doctor(world, form, nullptr);
  const train::Config config = load_on_ranks(world, families, options.config, options.overrides);
  memory::install(*new memory::Ledger);  // outlives all tensors
  return doctor::doctor(world, form, &config);
}

}  // namespace

void add_doctor(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<DoctorOptions>();
  CLI::App* command = add_command(app, "doctor");
  command->add_flag("--json", options->json, "Print facts and checks as JSON");
  command->add_option("CONFIG", options->config,
                      "The YAML file of a run: check also whether the machines have what it needs");
  command->add_option("overrides", options->overrides, "key.path=value, applied after the file");
  command->callback([options, &invocation] {
    invocation.run = [options, &invocation] {
      return run_on_ranks(invocation,
                          [&](comm::World& world) { return run(*options, invocation.families, world); });
    };
  });
}

}  // namespace ebb::cli
