// SPDX-License-Identifier: Apache-2.0
#include "cli/ranks.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <new>
#include <thread>
#include <utility>

#include "comm/run_on_all_ranks.h"
#include "memory/cuda_library.h"
#include "train/config.h"

namespace ebb::cli {

namespace {

// Ranks may detect the same fault at the same time (a damaged shard, a full disk). Each rank waits a time in
// proportion to its number. The lowest rank prints its message and ends all ranks during the wait, so the
// message appears once.
void wait_for_turn(int rank) {
  constexpr auto kTurn = std::chrono::milliseconds(300);  // longer than end_all() takes
  constexpr int kMaxTurns = 20;
  std::this_thread::sleep_for(std::min(rank, kMaxTurns) * kTurn);
}

}  // namespace

CLI::Option* add_config_arguments(CLI::App& command, ConfigArguments& arguments, const std::string& help) {
  CLI::Option* const config = command.add_option("CONFIG", arguments.file, help);
  command.add_option("overrides", arguments.overrides, "key.path=value, applied after the file");
  return config;
}

train::Config load_on_ranks(comm::World& world, const train::Registries& registries,
                            const ConfigArguments& arguments) {
  constexpr double kTimeout_s = 300;  // applies until the configuration sets the timeout
  train::Config config(registries);
  comm::run_on_all_ranks(world, kTimeout_s, [&] {
    train::load(config, arguments.file, arguments.overrides);
    if (config.run.device != train::DeviceKind::cpu && memory::CudaLibrary::device_present())
      memory::CudaLibrary::open();
  });
  return config;
}

ExitCode run_on_ranks(const Invocation& invocation, const std::function<ExitCode(comm::World&)>& body) {
  comm::World world(invocation.argc, invocation.argv);
  const std::string where =
      world.size() > 1 ? fmt::format("rank {} of {} on {}: ", world.rank(), world.size(), world.host())
                       : std::string();
  const auto end_with = [&](ExitCode code, const std::string& message) {
    wait_for_turn(world.rank());
    report(where + message);
    if (world.size() > 1) world.end_all(code);
    return code;
  };
  try {
    return body(world);
  } catch (const comm::RemoteError& error) {
    return error.code();  // every rank ends with this code
  } catch (const Error& error) {
    return end_with(error.code(), error.what());
  } catch (const std::bad_alloc&) {
    return end_with(ExitCode::memory,
                    "the system refuses a small allocation; check which other programs use its memory");
  } catch (const std::exception& error) {
    return end_with(ExitCode::internal, std::string("internal error: ") + error.what());
  }
}

void set_ranks_callback(CLI::App& command, Invocation& invocation,
                        std::function<ExitCode(comm::World&)> body) {
  command.callback([&invocation, body = std::move(body)] {
    invocation.run = [&invocation, body] { return run_on_ranks(invocation, body); };
  });
}

}  // namespace ebb::cli
