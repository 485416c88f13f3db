// SPDX-License-Identifier: Apache-2.0
#include "train/load_model.h"

#include <ATen/core/grad_mode.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/json.h"
#include "checkpoint/store.h"

namespace ebb::train {

namespace {

core::SampleSpec sample_spec(const nlohmann::json& values, const std::filesystem::path& path) {
  try {
    return values.at("sample").get<core::SampleSpec>();
  } catch (const nlohmann::json::exception&) {
    throw Error(ExitCode::checkpoint, path.string() +
                                          " does not describe the samples of its model: values.sample is " +
                                          values.value("sample", nlohmann::json()).dump());
  }
}

std::int64_t updates_of(const nlohmann::json& values, const std::filesystem::path& path,
                        const std::string& part) {
  try {
    return whole_number(values.at("updates"));
  } catch (const nlohmann::json::exception& e) {
    throw Error(ExitCode::checkpoint, path.string() + " has no number of updates in its part " + part, e);
  }
}

// The averages of all trainees that have one, by the names of their parameters. Before its first update an
// average holds zeros; the run itself then evaluates the weights (AverageScope).
std::map<std::string, at::Tensor> averages_of(const std::filesystem::path& path, const Config& config) {
  std::map<std::string, at::Tensor> all;
  const std::vector<std::string>& trainees = config.model.family().trainees;
  for (const std::string& trainee : trainees) {
    const std::string part = trainees.size() > 1 ? trainee + ".average" : "average";
    if (!checkpoint::has_part(path, part)) continue;
    checkpoint::LoadedPart average = checkpoint::read_part(path, part);
    if (updates_of(average.values, path, part) > 0) all.merge(average.tensors);
  }
  return all;
}

// Refuses finite values that `type` cannot hold; in it they would be infinite.
void require_representable(const std::filesystem::path& path, const std::string& name,
                           const at::Tensor& values, at::ScalarType type) {
  if (values.scalar_type() == type || values.numel() == 0) return;
  const double largest = type == at::kHalf       ? double{std::numeric_limits<c10::Half>::max()}
                         : type == at::kBFloat16 ? double{std::numeric_limits<c10::BFloat16>::max()}
                                                 : double{std::numeric_limits<float>::max()};
  const auto [least, most] = at::aminmax(values);
  const double magnitude = std::max(std::abs(least.item<double>()), std::abs(most.item<double>()));
  if (!std::isfinite(magnitude) || magnitude <= largest) return;
  throw Error(
      ExitCode::usage,
      fmt::format("{}: the parameter {} has a value of magnitude {:g}, above {:g}, the largest of {}: "
                  "set precision.dtype to {}",
                  path.string(), name, magnitude, largest, type == at::kHalf ? "fp16" : "bf16",
                  type == at::kHalf ? "bf16 or fp32" : "fp32"));
}

std::string shape_of(const at::Tensor& tensor) {
  return fmt::format("[{}]", fmt::join(tensor.sizes(), ", "));
}

void require_shape(const at::Tensor& saved, const at::Tensor& expected, const std::string& what,
                   const std::filesystem::path& path) {
  if (saved.defined() && saved.sizes() == expected.sizes()) return;
  throw Error(ExitCode::checkpoint,
              fmt::format("{} has {} {}, and its configuration needs {}", path.string(),
                          saved.defined() ? "the shape " + shape_of(saved) + " for" : "no", what,
                          shape_of(expected)));
}

// Compares without memory for the model: the sizes of the configuration may be wrong.
void require_parameters(const checkpoint::LoadedPart& part, const Config& config,
                        const std::filesystem::path& path) {
  const auto model =
      models::make_model(config.model, sample_spec(part.values, path), config.precision.dtype, at::kMeta, 0);
  for (const auto& [name, tensor] : model->state().tensors) {
    const auto saved = part.tensors.find(name);
    require_shape(saved == part.tensors.end() ? at::Tensor() : saved->second, tensor, "parameter " + name,
                  path);
  }
}

}  // namespace

LoadedModel load_model(const std::filesystem::path& path, const Registries& registries, WeightChoice choice,
                       const std::vector<std::string>& overrides) {
  const checkpoint::LoadedPart part = checkpoint::read_part(path, "model");
  Config config(registries);
  load_saved(config, part.resolved_config, path.string(), overrides, part.defaulted);
  require_parameters(part, config, path);
  LoadedModel loaded{models::make_model(config.model, sample_spec(part.values, path), config.precision.dtype,
                                        at::kCPU, static_cast<std::uint64_t>(config.run.seed)),
                     config, part.step};
  const at::NoGradGuard no_grad;
  std::map<std::string, at::Tensor> averages;
  if (choice == WeightChoice::averaged) averages = averages_of(path, config);
  for (auto& [name, tensor] : loaded.model->state().tensors) {
    const auto average = averages.find(name);
    const bool averaged = average != averages.end();
    const at::Tensor& values = averaged ? average->second : part.tensors.at(name);
    if (averaged) require_shape(average->second, tensor, "the average of " + name, path);
    require_representable(path, name, values, tensor.scalar_type());
    tensor.copy_(values);
  }
  return loaded;
}

}  // namespace ebb::train
