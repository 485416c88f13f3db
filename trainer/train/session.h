#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/store.h"
#include "comm/communicator.h"
#include "comm/world.h"
#include "core/unit.h"
#include "data/device_feed.h"
#include "data/evaluation_loader.h"
#include "data/loader.h"
#include "memory/leak_gate.h"
#include "memory/ledger.h"
#include "models/model.h"
#include "numerics/loss_scaler.h"
#include "optim/optimizer.h"
#include "parallel/gradient_reducer.h"
#include "step/step.h"
#include "train/config.h"
#include "train/parts.h"

namespace ebb::train {

// What one rank trains with, made in the order of its members and ended in the reverse one. Everything that
// outlives a step is allocated here.
struct Session {
  // Error where something of the configuration does not fit the data, the machine or the number of ranks.
  Session(const Config& configuration, comm::World& all, memory::Ledger& account,
          core::UnitRunner& unit_runner);

  // Fills the parameters with their initial values (`found` empty) or from a checkpoint, and opens the
  // training data where the run is, and the test split. Collective.
  void begin(checkpoint::Store& store, const std::optional<checkpoint::Found>& found,
             const checkpoint::Origin& origin);

  // Binds the step. Call after begin(); the step refers to this session.
  [[nodiscard]] step::Step make_step(step::StepControl& control, memory::LeakGate& gate);

  [[nodiscard]] checkpoint::Parts parts();
  [[nodiscard]] std::unique_ptr<data::Dataset> open_split(const char* name) const;  // "train", "test"
  // What one sample a second is of all that the ranks' devices can do (model FLOPs utilisation); 0 where the
  // model does not count its work. Collective; measures where this machine has not before.
  [[nodiscard]] double mfu_per_sample() const;
  [[nodiscard]] std::string description() const;  // one line: model, sizes, ranks, device

  void set_initial_values();

  const Config& config;
  comm::World& world;
  memory::Ledger& ledger;
  std::string device_note;  // why GPUs that are there are not used; else empty
  at::Device device;
  std::int64_t pinned = 0;  // cores that this rank was bound to; 0: it was not
  std::int64_t threads;
  std::unique_ptr<comm::Communicator> communicator;
  std::unique_ptr<models::Model> model;
  std::vector<core::Parameter> parameters;
  std::unique_ptr<optim::Optimizer> optimizer;
  numerics::LossScaler scaler;
  std::unique_ptr<parallel::GradientReducer> reducer;
  core::UnitRunner& runner;  // runs the units of training, evaluation and samples
  ScalerState scaler_state;
  Cursor cursor;
  data::DeviceFeed feed;
  std::unique_ptr<data::Loader> loader;
  std::unique_ptr<data::EvaluationLoader> test;  // the split that evaluation runs over
};

// Where a rank's tensors will live. `auto` is a GPU for each rank or none for any: all ranks take the same,
// and where GPUs are left unused `note` says why. Makes a GPU this process's. Collective.
at::Device choose_device(DeviceKind kind, bool share, const comm::World& world, double timeout_s,
                         std::string& note);

// What each rank can find wrong by itself before any of them waits for another: data that does not open, a
// batch that ranks cannot share.
void check_inputs(const Config& config, const comm::World& world);

}  // namespace ebb::train
