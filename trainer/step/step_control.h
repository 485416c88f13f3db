#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "comm/communicator.h"
#include "core/phase.h"
#include "core/unit.h"
#include "memory/classes.h"
#include "numerics/loss_scaler.h"

namespace ebb::step {

// What one phase did in a step; losses are means over the global batch. The same on every rank.
struct PhaseReport {
  std::string phase;
  double loss = 0;
  std::vector<std::pair<std::string, double>> parts;
  double learning_rate = 0;
  double scale = 1;          // the loss scale that the step ran with
  double gradient_norm = 0;  // before clipping, without the loss scale
  bool skipped = false;
  std::string overflowed;  // first parameter whose gradient was not finite; empty if none
  std::vector<memory::StageSeconds> rank_seconds;  // what each rank gave as Observed::seconds
  // Of this rank: how long its gradients were being reduced, and how much of that the step waited for.
  double reduction_s = 0, reduction_waited_s = 0;
};

struct Decision {
  bool accepted = false;
  double gradient_scale = 1;  // clip factor / loss scale
  bool stop = false;          // some rank was asked to stop
};

// The losses of a phase, added up over micro-batches on the device without reading them.
class LossSums {
 public:
  void add(const core::Loss& loss);
  [[nodiscard]] const at::Tensor& values() const { return values_; }              // [1 + parts] fp64
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }  // of the parts

 private:
  at::Tensor values_;
  std::vector<std::string> names_;
};

// What a rank brings to the decision about one phase.
struct Observed {
  const LossSums& losses;
  const std::vector<at::Tensor>& gradients;  // already summed over ranks, in the order of `parameters`
  const std::vector<core::Parameter>& parameters;
  double clip_norm = 0;            // 0: none
  memory::StageSeconds seconds{};  // this rank's time by stage, so far
};

// Makes every decision of a step that hangs on a value: skip, stop, diverge. All ranks agree on losses,
// overflow and the stop flag in one message a phase, so that no state mixes two steps; their times travel in
// it too. A dry run replaces this class.
class StepControl {
 public:
  // `stop_requested` is asked once a phase on this rank.
  StepControl(comm::Communicator& communicator, std::function<bool()> stop_requested);

  // Fills all of the report but its name and learning rate; moves the scaler. Error(numerics) when the scale
  // falls below its floor.
  Decision decide(const Observed& observed, numerics::LossScaler& scaler, PhaseReport& report);

 private:
  comm::Communicator& communicator_;
  std::function<bool()> stop_requested_;
};

}  // namespace ebb::step
