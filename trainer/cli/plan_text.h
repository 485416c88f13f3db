// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "numerics/instruction_set.h"
#include "train/memory_changes.h"
#include "train/resource_estimate.h"

namespace ebb::cli {

// What `ebb plan` prints.
struct PlanFigures {
  std::string config;  // the file
  int columns = 80;    // of the screen
  std::int64_t world_size = 1;
  std::string write_rate;  // as given: bytes of a checkpoint per second
  std::int64_t bytes_per_s = 0;
  std::int64_t slots = 1;  // ranks of a worker
  train::ResourceEstimate estimate;
  train::ChartValues values;

  bool on_gpu = false;  // `need` and `available` are those of one GPU, else of the ranks of a host
  numerics::InstructionSet isa = numerics::instruction_set();  // of the CPUs
  struct Features {
    std::string file;                                 // evaluate.features
    std::optional<std::vector<std::int64_t>> blocks;  // of feature_extractor_of()
  };
  std::optional<Features> features;
  // Empty: `cannot_plan` is the reason.
  std::optional<train::MemoryNeed> need;
  std::string cannot_plan;
  train::AvailableToRun available;
  std::vector<train::MemoryChange> changes;  // if it does not fit
  struct Largest {
    std::string name;  // "samples of a micro-batch"
    train::LargestValue found;
  };
  std::vector<Largest> largest;
  std::int64_t micro_batches = 1;
  bool chose_micro_batches = false;  // data.micro_batches is auto
};

// At most `columns` wide, of which 50 are needed; names of files may make a line longer.
std::string plan_text(const PlanFigures& figures);
// One line of JSON. Error(internal) without a need.
std::string plan_json(const PlanFigures& figures);
// Values of the chart, in YAML.
std::string plan_values(const PlanFigures& figures);

}  // namespace ebb::cli
