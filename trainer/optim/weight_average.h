// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "core/stateful.h"
#include "core/unit.h"
#include "optim/optimizer.h"

namespace ebb::optim {

// An exponential moving average of the fp32 masters, in fp32 (class optimizer, owner `owner`). Training never
// reads it. The constructor allocates its tensors.
class WeightAverage final : public core::Stateful {
 public:
  WeightAverage(std::vector<core::Parameter> parameters, const std::string& owner);
  // average = master + decay (average - master). The first update copies the masters.
  void update(const Optimizer& optimizer, double decay);
  core::State state() override;  // NAME.average; values: updates
  void restore(const nlohmann::json& values) override;

 private:
  friend class AverageScope;
  std::vector<core::Parameter> parameters_;
  std::vector<at::Tensor> averages_;
  std::int64_t updates_ = 0;
};

// While it exists, the parameters have the values of the average, rounded to their dtype. Then they have
// their own again, to the bit. It holds a copy of these meanwhile (class workspace).
class AverageScope {
 public:
  // `average` may be null, or may not have been updated; the scope then has no effect.
  explicit AverageScope(const WeightAverage* average);
  ~AverageScope();
  AverageScope(const AverageScope&) = delete;
  AverageScope& operator=(const AverageScope&) = delete;

 private:
  std::vector<at::Tensor> parameters_, own_;
};

}  // namespace ebb::optim
