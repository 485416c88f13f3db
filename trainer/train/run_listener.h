// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "step/step.h"
#include "train/cursor.h"
#include "train/evaluation.h"
#include "train/run_start.h"

namespace ebb::train {

// A run that diverged has gone back to a checkpoint.
struct Rollback {
  std::int64_t steps = 0;                   // done in the checkpoint
  std::int64_t diverged_at = 0;             // the step, from 0
  SampleRange skipped;                      // of the stream
  std::string reason;                       // for a person
  std::vector<checkpoint::Change> changes;  // of the configuration, since the checkpoint
};

// Receives the events of a run, on every rank, on the training thread. The order of a step's events: stepped,
// saved, evaluating, evaluated, sampled, step_completed.
class RunListener {
 public:
  virtual ~RunListener() = default;
  virtual void started(const RunStart& start) = 0;
  virtual void stepped(const step::StepReport& report) = 0;
  // An evaluation begins, after `steps` steps. If it fails, evaluated() does not follow.
  virtual void evaluating(std::int64_t steps) = 0;
  // After `steps` steps; the evaluation lasted `seconds`.
  virtual void evaluated(std::int64_t steps, const Evaluation& result, double seconds) = 0;
  // Rank 0 has written samples; the other ranks have not waited for it.
  virtual void sampled() = 0;
  // A checkpoint is complete after `seconds`. That of a resumed run is in RunStart instead.
  virtual void saved(const std::filesystem::path& checkpoint, double seconds) = 0;
  // All that followed step `step` (from 0) is done: save, evaluation, samples.
  virtual void step_completed(std::int64_t step) = 0;
  virtual void rolled_back(const Rollback& rollback) = 0;
  virtual void ended(const std::string& note) = 0;  // a line for a person; empty: none
};

// Forwards each event to all listeners, in the order of add(). If one throws, those after it do not get the
// event, and the caller gets the error.
class RunListeners final : public RunListener {
 public:
  void add(std::unique_ptr<RunListener> listener) { all_.push_back(std::move(listener)); }
  void started(const RunStart& start) override {
    for (const auto& one : all_) one->started(start);
  }
  void stepped(const step::StepReport& report) override {
    for (const auto& one : all_) one->stepped(report);
  }
  void evaluating(std::int64_t steps) override {
    for (const auto& one : all_) one->evaluating(steps);
  }
  void evaluated(std::int64_t steps, const Evaluation& result, double seconds) override {
    for (const auto& one : all_) one->evaluated(steps, result, seconds);
  }
  void sampled() override {
    for (const auto& one : all_) one->sampled();
  }
  void saved(const std::filesystem::path& checkpoint, double seconds) override {
    for (const auto& one : all_) one->saved(checkpoint, seconds);
  }
  void step_completed(std::int64_t step) override {
    for (const auto& one : all_) one->step_completed(step);
  }
  void rolled_back(const Rollback& rollback) override {
    for (const auto& one : all_) one->rolled_back(rollback);
  }
  void ended(const std::string& note) override {
    for (const auto& one : all_) one->ended(note);
  }

 private:
  std::vector<std::unique_ptr<RunListener>> all_;
};

}  // namespace ebb::train
