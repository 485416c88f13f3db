// SPDX-License-Identifier: Apache-2.0
#include "models/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "models/runner_factory.h"

namespace ebb::models {

namespace {

// A checkpoint stores parameters by name, so one of two would be lost.
void require_own_names(Model& model) {
  std::set<std::string> names;
  for (const core::Parameter& parameter : all_parameters(model))
    if (!names.insert(parameter.name).second)
      throw Error(ExitCode::internal, fmt::format("two parameters have the name {}", parameter.name));
}

}  // namespace

std::unique_ptr<Model> make_model(const ModelConfig& config, const core::SampleSpec& sample,
                                  numerics::Dtype dtype, at::Device device, std::uint64_t seed) {
  const Family& family = config.family();
  if (!family.make_model)
    throw Error(ExitCode::internal, "this program only describes models and cannot make them");
  std::vector<std::string> fields;
  for (const core::FieldSpec& field : sample.fields) fields.push_back(field.name);
  if (const std::string wrong = config.missing_fields(fields); !wrong.empty())
    throw Error(ExitCode::usage, wrong);
  std::unique_ptr<Model> model = family.make_model(config.chosen(), {sample, dtype, device, seed});
  require_own_names(*model);
  return model;
}

std::unique_ptr<core::UnitRunner> make_plain_runner(Model&) {
  return std::make_unique<core::PlainRunner>();
}

core::State Model::state() {
  core::State state;
  state.values["sample"] = sample_;
  for (const core::Parameter& parameter : all_parameters(*this))
    state.tensors.emplace(parameter.name, parameter.tensor);
  return state;
}

std::vector<core::Parameter> all_parameters(Model& model) {
  std::vector<core::Parameter> all;
  std::vector<core::Unit*> seen;
  for (core::Phase* phase : model.phases())
    for (core::Unit* unit : phase->units()) {
      if (std::find(seen.begin(), seen.end(), unit) != seen.end()) continue;
      seen.push_back(unit);
      all.insert(all.end(), unit->parameters.begin(), unit->parameters.end());
    }
  return all;
}

std::int64_t parameter_count(Model& model) {
  std::int64_t count = 0;
  for (const core::Parameter& parameter : all_parameters(model)) count += parameter.tensor.numel();
  return count;
}

}  // namespace ebb::models
