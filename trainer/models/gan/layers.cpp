// SPDX-License-Identifier: Apache-2.0
#include "models/gan/layers.h"

#include "base/philox.h"
#include "memory/ledger.h"
#include "numerics/ops.h"

namespace ebb::models {

namespace {

constexpr std::uint32_t kParametersOfANetwork = 1U << 20;  // more than any network has

at::Tensor normal_values(const std::vector<std::int64_t>& shape, double deviation, std::uint64_t seed,
                         std::uint32_t parameter) {
  at::Tensor out = at::empty(shape, at::kFloat);
  float* const values = out.data_ptr<float>();
  for (std::int64_t i = 0; i < out.numel(); i += 4) {
    const auto four = normals(
        random_bits(seed, RandomStream::initialisation, static_cast<std::uint64_t>(i / 4), parameter));
    for (std::int64_t j = i; j < std::min(i + 4, out.numel()); ++j)
      values[j] = static_cast<float>(deviation) * four[static_cast<std::size_t>(j - i)];
  }
  return out;
}

}  // namespace

ParameterMaker::ParameterMaker(const ModelInputs& inputs, std::uint32_t network)
    : dtype_(numerics::scalar_type(inputs.dtype)),
      device_(inputs.device),
      seed_(inputs.seed),
      next_(network * kParametersOfANetwork) {}

core::Parameter& ParameterMaker::add(core::Unit& unit, const std::string& name,
                                     const std::vector<std::int64_t>& shape) {
  const memory::Tag tag(memory::Class::parameters, unit.name);
  core::Parameter parameter;
  parameter.name = unit.name + "." + name;
  parameter.tensor = at::empty(shape, at::TensorOptions().dtype(dtype_).device(device_)).requires_grad_(true);
  unit.parameters.push_back(std::move(parameter));
  return unit.parameters.back();
}

void ParameterMaker::weight(core::Unit& unit, const std::string& name, std::vector<std::int64_t> shape,
                            double deviation) {
  core::Parameter& parameter = add(unit, name, shape);
  parameter.initial = [shape = std::move(shape), deviation, seed = seed_, number = next_++] {
    return deviation == 0 ? at::zeros(shape, at::kFloat) : normal_values(shape, deviation, seed, number);
  };
}

void ParameterMaker::vector(core::Unit& unit, const std::string& name, std::int64_t size, double value) {
  core::Parameter& parameter = add(unit, name, {size});
  parameter.decay = false;
  ++next_;
  parameter.initial = [size, value] { return at::full({size}, value, at::kFloat); };
}

at::Tensor pointwise(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                     numerics::Activation act) {
  // With the channels innermost, pixels are rows.
  const at::Tensor rows = x.permute({0, 2, 3, 1}).reshape({-1, x.size(1)});
  return numerics::linear(rows, w, b, act)
      .view({x.size(0), x.size(2), x.size(3), w.size(0)})
      .permute({0, 3, 1, 2});
}

}  // namespace ebb::models
