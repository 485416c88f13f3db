// SPDX-License-Identifier: Apache-2.0
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

namespace {

// sum += added. The CPU converts `added` to the dtype of the sum first, so this bounds the memory for it. A
// plan runs on the meta device, where the chunks between the first and the last would repeat the first's
// memory.
void add_in_chunks(const at::Tensor& sum, const at::Tensor& added) {
  constexpr std::int64_t kElements = std::int64_t{1} << 20;
  if (sum.scalar_type() == added.scalar_type() || sum.is_cuda()) {
    sum.add_(added);
    return;
  }
  for (std::int64_t begin = 0; begin < sum.numel(); begin += kElements) {
    if (sum.is_meta() && begin == kElements) begin = (sum.numel() - 1) / kElements * kElements;
    const std::int64_t count = std::min(kElements, sum.numel() - begin);
    sum.narrow(0, begin, count).add_(added.narrow(0, begin, count).to(sum.scalar_type()));
  }
}

}  // namespace

struct GradientReducer::Bucket {
  std::vector<std::size_t> parameters;
  std::vector<std::int64_t> offsets;  // elements, one for each parameter
  std::int64_t numel = 0;
  std::string label;
  at::Tensor flat;                   // defined from the first gradient to finish()
  std::vector<std::int64_t> counts;  // gradients in this micro-batch, one for each parameter
  std::vector<bool> received;        // since the previous finish()
  std::unique_ptr<comm::Work> work;  // null until it is reduced
};

struct GradientReducer::Hook final : torch::autograd::PostAccumulateGradHook {
  Hook(GradientReducer& owner, std::size_t parameter) : reducer(owner), index(parameter) {}
  void operator()(const torch::autograd::Variable&) override { reducer.add(index); }
  GradientReducer& reducer;
  std::size_t index;
};

GradientReducer::GradientReducer(std::vector<core::Parameter> parameters, comm::Communicator& communicator,
                                 std::int64_t bucket_bytes, std::int64_t micro_batches, std::string owner)
    : parameters_(std::move(parameters)),
      communicator_(communicator),
      owner_(std::move(owner)),
      accumulate_(micro_batches > 1) {
  for (const core::Parameter& parameter : parameters_)
    accumulate_ = accumulate_ || parameter.gradients_per_backward != 1;
  slots_.resize(parameters_.size());
  for (std::size_t i = parameters_.size(); i-- > 0;) {
    const at::Tensor& tensor = parameters_[i].tensor;
    const std::int64_t element = accumulate_ ? 4 : static_cast<std::int64_t>(tensor.element_size());
    if (buckets_.empty() || (buckets_.back().numel + tensor.numel()) * element > bucket_bytes)
      buckets_.emplace_back();
    Bucket& bucket = buckets_.back();
    slots_[i] = {buckets_.size() - 1, bucket.parameters.size()};
    bucket.parameters.push_back(i);
    bucket.offsets.push_back(bucket.numel);
    bucket.numel += tensor.numel();
    bucket.counts.push_back(0);
    bucket.received.push_back(false);
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

void GradientReducer::begin_micro_batch(const MicroBatchOptions& options) {
  micro_batch_ = options;
  for (Bucket& bucket : buckets_) std::fill(bucket.counts.begin(), bucket.counts.end(), 0);
}

void GradientReducer::add(std::size_t parameter_index) {
  const at::NoGradGuard no_grad;
  const auto [bucket_index, position] = slots_[parameter_index];
  Bucket& bucket = buckets_[bucket_index];
  at::Tensor& grad = parameters_[parameter_index].tensor.mutable_grad();
  if (bucket.work)
    throw Error(
        ExitCode::internal,
        fmt::format("parameter {} got a gradient after its bucket was reduced: it declares {} "
                    "gradient{} in a backward pass and got more",
                    parameters_[parameter_index].name, parameters_[parameter_index].gradients_per_backward,
                    parameters_[parameter_index].gradients_per_backward == 1 ? "" : "s"));
  if (!bucket.flat.defined()) allocate(bucket);
  const at::Tensor part = bucket.flat.narrow(0, bucket.offsets[position], grad.numel());
  const at::Tensor flat = grad.reshape({-1});
  if (bucket.received[position])
    add_in_chunks(part, flat);
  else
    part.copy_(flat);
  bucket.received[position] = true;
  grad.reset();
  ++bucket.counts[position];
  if (micro_batch_.last) start_complete();
}

void GradientReducer::allocate(Bucket& bucket) {
  const memory::Tag tag(memory::Class::gradients, owner_);
  const at::TensorOptions options = parameters_[bucket.parameters.front()].tensor.options();
  bucket.flat =
      at::empty({bucket.numel}, (accumulate_ ? options.dtype(at::kFloat) : options).requires_grad(false));
}

// Where gradients_per_backward is 0, the number is unknown: the bucket then waits for the end of backward.
bool GradientReducer::is_complete(const Bucket& bucket) const {
  for (std::size_t position = 0; position < bucket.parameters.size(); ++position) {
    const std::int64_t declared = parameters_[bucket.parameters[position]].gradients_per_backward;
    if (declared == 0 || bucket.counts[position] < declared) return false;
  }
  return true;
}

void GradientReducer::start_complete() {
  for (; next_to_start_ < buckets_.size() && is_complete(buckets_[next_to_start_]); ++next_to_start_)
    start(buckets_[next_to_start_]);
}

void GradientReducer::start_all() {
  for (; next_to_start_ < buckets_.size(); ++next_to_start_) {
    Bucket& bucket = buckets_[next_to_start_];
    if (!bucket.flat.defined()) allocate(bucket);
    for (std::size_t position = 0; position < bucket.parameters.size(); ++position) {
      if (bucket.received[position]) continue;
      const core::Parameter& parameter = parameters_[bucket.parameters[position]];
      bucket.flat.narrow(0, bucket.offsets[position], parameter.tensor.numel()).zero_();
    }
    start(bucket);
  }
}

void GradientReducer::start(Bucket& bucket) {
  comm::Collective collective;
  collective.kind = comm::CollectiveKind::all_reduce;
  collective.input = bucket.flat;
  collective.label = bucket.label;
  bucket.work = communicator_.start(std::move(collective));
}

std::vector<at::Tensor> GradientReducer::finish() {
  if (!micro_batch_.allow_unused)
    for (const Bucket& bucket : buckets_)
      for (std::size_t position = 0; position < bucket.parameters.size(); ++position)
        if (!bucket.received[position])
          throw Error(
              ExitCode::internal,
              fmt::format("parameter {} got no gradient in this step: the model's forward does not use it",
                          parameters_[bucket.parameters[position]].name));
  start_all();
  std::vector<at::Tensor> gradients(parameters_.size());
  time_ = {};
  for (Bucket& bucket : buckets_) {
    const auto since = std::chrono::steady_clock::now();
    bucket.work->wait();
    time_.waited_s += std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
    time_.under_way_s += bucket.work->seconds();
    bucket.work.reset();
    for (std::size_t position = 0; position < bucket.parameters.size(); ++position) {
      const std::size_t i = bucket.parameters[position];
      gradients[i] = bucket.flat.narrow(0, bucket.offsets[position], parameters_[i].tensor.numel());
    }
    bucket.flat.reset();
    std::fill(bucket.received.begin(), bucket.received.end(), false);
    std::fill(bucket.counts.begin(), bucket.counts.end(), 0);
  }
  next_to_start_ = 0;
  micro_batch_ = kNotBegun;
  return gradients;
}

}  // namespace ebb::parallel
