#include "parallel/gradient_reducer.h"

#include <ATen/core/grad_mode.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "memory/ledger.h"

namespace ebb::parallel {

struct GradientReducer::Bucket {
  std::vector<std::size_t> parameters;
  std::vector<std::int64_t> offsets;  // elements, one a parameter
  std::int64_t numel = 0;
  std::string label;
  at::Tensor flat;          // defined from the first gradient of a step to finish()
  std::size_t arrived = 0;  // in this micro-batch
  std::vector<bool> seen;   // in this step
  std::unique_ptr<comm::Work> work;
};

struct GradientReducer::Hook final : torch::autograd::PostAccumulateGradHook {
  Hook(GradientReducer& owner, std::size_t parameter) : reducer(owner), index(parameter) {}
  void operator()(const torch::autograd::Variable&) override { reducer.take(index); }
  GradientReducer& reducer;
  std::size_t index;
};

GradientReducer::GradientReducer(std::vector<core::Parameter> parameters, comm::Communicator& communicator,
                                 std::int64_t bucket_bytes, std::int64_t micro_batches)
    : parameters_(std::move(parameters)), communicator_(communicator), accumulate_(micro_batches > 1) {
  place_.resize(parameters_.size());
  for (std::size_t i = parameters_.size(); i-- > 0;) {
    const at::Tensor& tensor = parameters_[i].tensor;
    const std::int64_t element = accumulate_ ? 4 : static_cast<std::int64_t>(tensor.element_size());
    if (buckets_.empty() || (buckets_.back().numel + tensor.numel()) * element > bucket_bytes)
      buckets_.emplace_back();
    Bucket& bucket = buckets_.back();
    place_[i] = {buckets_.size() - 1, bucket.parameters.size()};
    bucket.parameters.push_back(i);
    bucket.offsets.push_back(bucket.numel);
    bucket.numel += tensor.numel();
    bucket.seen.push_back(false);
    torch::autograd::impl::set_post_acc_grad_hooks(tensor, std::make_unique<Hook>(*this, i));
  }
  for (Bucket& bucket : buckets_)
    bucket.label = fmt::format("gradients {} .. {}", parameters_[bucket.parameters.back()].name,
                               parameters_[bucket.parameters.front()].name);
}

GradientReducer::~GradientReducer() {
  for (const core::Parameter& parameter : parameters_) {
    torch::autograd::impl::set_post_acc_grad_hooks(parameter.tensor, nullptr);
    parameter.tensor.mutable_grad().reset();
  }
}

void GradientReducer::expect(bool last) {
  last_ = last;
  for (Bucket& bucket : buckets_) bucket.arrived = 0;
}

void GradientReducer::take(std::size_t parameter) {
  const at::NoGradGuard no_grad;
  const auto [number, slot] = place_[parameter];
  Bucket& bucket = buckets_[number];
  at::Tensor& grad = parameters_[parameter].tensor.mutable_grad();
  if (!bucket.flat.defined()) {
    const memory::Tag tag(memory::Class::gradients, "bucket");
    bucket.flat = at::empty({bucket.numel}, accumulate_ ? grad.options().dtype(at::kFloat) : grad.options());
  }
  at::Tensor part = bucket.flat.narrow(0, bucket.offsets[slot], grad.numel());
  if (accumulate_ && bucket.seen[slot])
    part.add_(grad.reshape({-1}));
  else
    part.copy_(grad.reshape({-1}));
  bucket.seen[slot] = true;
  grad.reset();
  if (++bucket.arrived == bucket.parameters.size() && last_) start_ready();
}

void GradientReducer::start_ready() {
  for (; next_to_start_ < buckets_.size(); ++next_to_start_) {
    Bucket& bucket = buckets_[next_to_start_];
    if (bucket.arrived < bucket.parameters.size()) return;
    comm::Collective collective;
    collective.kind = comm::Kind::all_reduce;
    collective.input = bucket.flat;
    collective.label = bucket.label;
    bucket.work = communicator_.start(std::move(collective));
  }
}

std::vector<at::Tensor> GradientReducer::finish() {
  if (next_to_start_ < buckets_.size()) {
    const Bucket& bucket = buckets_[next_to_start_];
    for (std::size_t slot = 0; slot < bucket.parameters.size(); ++slot)
      if (!bucket.seen[slot])
        throw Error(
            ExitCode::internal,
            fmt::format("parameter {} got no gradient in this step: the model's forward does not use it",
                        parameters_[bucket.parameters[slot]].name));
  }
  std::vector<at::Tensor> gradients(parameters_.size());
  time_ = {};
  for (Bucket& bucket : buckets_) {
    const auto since = std::chrono::steady_clock::now();
    bucket.work->wait();
    time_.waited_s += std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
    time_.under_way_s += bucket.work->seconds();
    bucket.work.reset();
    for (std::size_t slot = 0; slot < bucket.parameters.size(); ++slot) {
      const std::size_t i = bucket.parameters[slot];
      gradients[i] = bucket.flat.narrow(0, bucket.offsets[slot], parameters_[i].tensor.numel());
    }
    bucket.flat.reset();
    std::fill(bucket.seen.begin(), bucket.seen.end(), false);
  }
  next_to_start_ = 0;
  return gradients;
}

}  // namespace ebb::parallel
