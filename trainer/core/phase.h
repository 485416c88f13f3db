// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/batch.h"
#include "core/unit.h"

namespace ebb::core {

// The result of a forward pass. `loss` is a scalar fp32 tensor with a graph: the sum over this rank's
// samples, divided by batch.global_batch. The sum over ranks and micro-batches is then the mean. `terms` are
// detached fp32 scalars of the same scale; reports list each by name.
struct Loss {
  at::Tensor loss;
  std::vector<std::pair<std::string, at::Tensor>> terms;
  // Values of the phase's own schedules in this step, for the metrics. The same on every rank.
  std::vector<std::pair<std::string, double>> scheduled = {};
  // Further sums over this rank's samples for Phase::conclude(), detached [k] fp32; undefined: none.
  at::Tensor sums = {};
  // The summands of `loss` with their graphs, by the names of their terms. With them an overflow of a
  // gradient can be traced to a term. Empty: it is not traced.
  std::vector<std::pair<std::string, at::Tensor>> parts = {};
};

// The data of one pass of a phase: of one forward, backward, reduce and update.
enum class BatchChoice {
  next,  // the next global batch of the stream
  same   // the global batch of the pass before it in the same step
};

// The use of a phase in a step. Constant over the run.
struct PhasePlan {
  std::string trainee;       // name of the trainee; empty: the model has only one
  std::int64_t repeats = 1;  // passes in a step, at least 1, each with its own decision and update
  BatchChoice batch = BatchChoice::next;
  // Whether a parameter may get no gradient. If false, a missing gradient ends the run with
  // Error(internal).
  bool allow_unused = false;
  // Its loss may have several parts. If a gradient overflows, the step repeats forward, backward and reduce
  // once for each part, to find those that overflow. It keeps the micro-batches until then.
  bool traces_overflows = false;
};

// What all ranks agreed on after one pass of a phase, before its update is decided. The same on every rank.
struct PhaseOutcome {
  double loss = 0;
  const std::vector<std::pair<std::string, double>>& terms;
  std::span<const double> sums;  // Loss::sums over all ranks and micro-batches
  bool finite_gradients = true;
};

// The conclusion of a phase from its outcome. The same on every rank.
struct PhaseConclusion {
  // A scale of the phase's own overflowed, and the phase has lowered it: its name and value in this pass. The
  // loss scale then stays. Empty: the loss scale is to blame for an overflow.
  std::string overflowed_scale;
  // Values to report beside the terms.
  std::vector<std::pair<std::string, double>> figures;
  // A sign that the training fails although its values are finite, with the figures. Empty: none.
  std::string warning;
  // Steps before the warning in which the training may already have failed.
  std::int64_t warning_delay = 0;
};

// A part of a training step with its own loss. An autoencoder has one, a GAN two. Phases run in turn.
//
// forward() may differentiate with torch::autograd::grad(). It may also call backward() on further losses,
// multiplied by batch.loss_scale, before it returns. Their gradients are added to those of Loss::loss, whose
// value excludes these losses. A parameter that they reach declares core::Parameter::gradients_per_backward.
// A phase with traces_overflows calls no backward() in forward(). Until conclude(), the step may call
// forward() of the same batch again on all ranks, and gets the same bits.
//
// An evaluation calls forward() of a model's first phase in no-grad mode (at::GradMode is off), for
// batches of any size. In this mode the first phase skips all work that needs a graph, and its loss has no
// graph.
class Phase {
 public:
  virtual ~Phase() = default;
  [[nodiscard]] virtual const std::string& name() const = 0;
  [[nodiscard]] virtual PhasePlan plan() const { return {}; }
  // The units that it trains: all of its trainee's, each once. All other units are constants to it.
  virtual std::vector<Unit*> units() = 0;
  virtual Loss forward(const Batch& batch, UnitRunner& runner) = 0;
  // Called on every rank after each pass of the phase in training, in the order of the passes. A phase that
  // keeps state here saves it in the State of its model.
  virtual PhaseConclusion conclude(const PhaseOutcome&) { return {}; }
  // Called on every rank after the run has gone back to a checkpoint because of a warning. The averages
  // behind a warning begin anew: those of the checkpoint may lie just within their limit.
  virtual void restart_warnings() {}
};

}  // namespace ebb::core
