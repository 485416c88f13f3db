#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "cli/commands.h"
#include "doctor/versions.h"

namespace {

int usage_error(const CLI::App& app, const CLI::ParseError& error) {
  // CLI11 gives --help and --version as errors of code 0; all else is a wrong command line.
  if (error.get_exit_code() == 0) return app.exit(error);
  ebb::cli::report(std::string(error.what()) + "\n  see: ebb --help");
  return static_cast<int>(ebb::ExitCode::usage);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace ebb;
  CLI::App app("ebb trains generative models on many ranks and accounts for every byte of them.", "ebb");
  app.require_subcommand(1);
  app.set_version_flag(
      "--version", [] { return doctor::version_text(); },
      "Print the versions of ebb and of what it is linked to");
  cli::Invocation invocation{argc, argv, {}};
  cli::add_train(app, invocation);
  cli::add_launch(app, invocation);
  cli::add_sample(app, invocation);
  cli::add_weights(app, invocation);
  cli::add_data(app, invocation);
  cli::add_config(app, invocation);
  cli::add_plan(app, invocation);
  cli::add_preflight(app, invocation);
  cli::add_doctor(app, invocation);
  const auto is_asked_for = [&](const CLI::App* command) { return command->get_name() == argv[1]; };
  if (argc > 1 && argv[1][0] != '-' && app.get_subcommands(is_asked_for).empty()) {
    cli::report(std::string("there is no command \"") + argv[1] + "\"\n  see: ebb --help");
    return static_cast<int>(ExitCode::usage);
  }
  try {
    app.parse(argc, argv);
    return static_cast<int>(invocation.run());
  } catch (const CLI::ParseError& error) {
    return usage_error(app, error);
  } catch (const Error& error) {
    cli::report(error.what());
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    cli::report(std::string("internal error: ") + error.what());
    return static_cast<int>(ExitCode::internal);
  }
}
