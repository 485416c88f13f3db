// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <string_view>

#include "cli/program.h"

namespace ebb::cli {

// The commands of ebb, in the order of its help. `ebb` runs those of `Executable::ebb` without LibTorch,
// and executes `ebb-core` for all other commands.
enum class Executable { ebb, core };
struct Command {
  std::string_view name, help;
  Executable executable;
};
inline constexpr std::array<Command, 11> kCommands = {{
    {"train", "Train a model; mpirun starts one process per rank", Executable::core},
    {"launch", "Train on several ranks: run mpirun with flags that fit, and supervise it", Executable::ebb},
    {"sample", "Draw new images (a PNG grid) or text from a checkpoint", Executable::core},
    {"evaluate", "Measure a checkpoint on a CPU: likelihoods, and the quality of generated images",
     Executable::core},
    {"export", "Write a model's weights as a folder that transformers or python/ebb_models loads",
     Executable::core},
    {"import", "Check a weights folder of transformers, and write a configuration that trains from it",
     Executable::core},
    {"data", "Make, inspect and verify datasets", Executable::core},
    {"config", "Explain the keys, print their schema, or check a file", Executable::ebb},
    {"plan", "Estimate what a configuration needs: bytes of ranks and checkpoint, time to stop",
     Executable::core},
    {"preflight", "Check on all hosts what a run needs, before it starts", Executable::core},
    {"doctor", "Examine this machine, and report what to fix before a run; works under mpirun",
     Executable::core},
}};

// Of ebb.
void add_config(CLI::App& app, Invocation& invocation);
void add_launch(CLI::App& app, Invocation& invocation);

// Of ebb-core.
void add_train(CLI::App& app, Invocation& invocation);
void add_sample(CLI::App& app, Invocation& invocation);
void add_evaluate(CLI::App& app, Invocation& invocation);
void add_export(CLI::App& app, Invocation& invocation);
void add_import(CLI::App& app, Invocation& invocation);
void add_data(CLI::App& app, Invocation& invocation);
void add_plan(CLI::App& app, Invocation& invocation);
void add_preflight(CLI::App& app, Invocation& invocation);
void add_doctor(CLI::App& app, Invocation& invocation);

}  // namespace ebb::cli
