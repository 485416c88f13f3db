// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/config.h"
#include "checkpoint/lease.h"
#include "config/references.h"
#include "config/section.h"
#include "data/config.h"
#include "evaluate/config.h"
#include "memory/config.h"
#include "models/config.h"
#include "numerics/config.h"
#include "optim/config.h"
#include "parallel/config.h"
#include "telemetry/config.h"

namespace ebb::train {

enum class DeviceKind { automatic, cpu, cuda };

// What a run does when its values are finite, but show that it has diverged or collapsed. Values that are not
// finite skip the update. If they stay, or the last loss or a test loss is one, the run ends with code 6, or
// goes back with rollback.
enum class OnDivergence { warn, stop, rollback };

struct RunConfig {
  std::string name;
  std::string dir = "runs";
  std::int64_t seed = 1;
  std::int64_t steps = 2000;
  std::int64_t evaluate_every = 500;
  std::int64_t sample_every = 0;
  bool samples = true;
  OnDivergence on_divergence = OnDivergence::warn;
  DeviceKind device = DeviceKind::automatic;
  std::string isa = "auto";  // or the name of a numerics::InstructionSet
  bool share_gpus = false;
  checkpoint::WhenHeld when_held = checkpoint::WhenHeld::wait;
  double lease_expires_s = 60;
  void describe(config::Section& s);
  [[nodiscard]] std::filesystem::path folder() const { return std::filesystem::path(dir) / name; }
};

// The section `launch:`. It belongs to `ebb launch`; no key of it changes a result.
struct LaunchConfig {
  double stall_s = 600;  // after which a run that stands still is ended; 0: never
  void describe(config::Section& s);
};

// The sections of one trainee.
struct TraineeConfig {
  optim::OptimizerConfig optimizer;
  optim::AverageConfig average;
};

// What a configuration may name. `main` makes it and passes it down.
struct Registries {
  models::Families families;  // model.kind names one of them
  data::Formats formats;      // data.format names one of them
};

// The configuration of a run. Each layer defines its part.
struct Config {
  RunConfig run;
  models::ModelConfig model;
  data::DataConfig data;
  numerics::PrecisionConfig precision;
  optim::OptimizerConfig optimizer;  // of every trainee without an own section
  optim::AverageConfig average;      // likewise
  // The sections of a family's trainees by name, if it has several.
  std::map<std::string, TraineeConfig> trainees;
  parallel::ParallelConfig parallel;
  memory::MemoryConfig memory;
  checkpoint::CheckpointConfig checkpoint;
  telemetry::TelemetryConfig telemetry;
  evaluate::EvaluateConfig evaluate;
  LaunchConfig launch;
  config::References references;  // of the texts that were read
  explicit Config(const Registries& registries) : model(registries.families), data(registries.formats) {}
  [[nodiscard]] Registries registries() const { return {model.families(), data.formats}; }
  void describe(config::Section& s);
  // Returns the sections of a trainee of the chosen family; an empty name selects the only one.
  [[nodiscard]] TraineeConfig trainee(const std::string& name) const;
  [[nodiscard]] models::RunFacts facts() const;  // for the rules and texts of a family

 private:
  void describe_trainees(config::Section& s);
};

// Reads FILE and the overrides into a default `config`. A key of NAME.optimizer or NAME.average that is not
// given has the value of the section optimizer or average. Error(usage) names each fault and its place.
void load(Config& config, const std::filesystem::path& file, const std::vector<std::string>& overrides);
// The same for YAML in a string; messages call it `name`.
void load_text(Config& config, const std::string& yaml, const std::string& name,
               const std::vector<std::string>& overrides);
// The same for what a run has saved: RUN/config.yaml, or the configuration in a checkpoint. It gets nothing
// from the environment (config::load_saved); config::require_known asks for a text before its use.
// `defaulted`: of Manifest::defaulted.
void load_saved(Config& config, const std::string& yaml, const std::string& name,
                const std::vector<std::string>& overrides, const std::vector<std::string>& defaulted = {});
// Returns the configuration as YAML for files and the screen, with references to the environment as written.
std::string resolved_yaml(Config& config);
// Describes `config` as it is, to print it or its schema; only the functions above read into a Config.
config::Section described(Config& config);

}  // namespace ebb::train
