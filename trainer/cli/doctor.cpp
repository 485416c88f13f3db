#include "doctor/doctor.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/commands.h"

namespace ebb::cli {

void add_doctor(CLI::App& app, Invocation& invocation) {
  auto json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand(
      "doctor", "Say what this machine gives to a run, and what to do about it; under mpirun too");
  command->add_flag("--json", *json, "Print facts and checks as JSON");
  command->callback([json, &invocation] {
    invocation.run = [json, &invocation] {
      return run_on_ranks(invocation, [json](comm::World& world) {
        return doctor::doctor(world, *json ? doctor::OutputForm::json : doctor::OutputForm::table);
      });
    };
  });
}

}  // namespace ebb::cli
