// SPDX-License-Identifier: Apache-2.0
#include "comm/check.h"

#include <fmt/format.h>

#include "base/error.h"

namespace ebb::comm {
namespace {

bool known_dtype(at::ScalarType type) {
  switch (type) {
    case at::kHalf:
    case at::kBFloat16:
    case at::kFloat:
    case at::kDouble:
    case at::kLong:
    case at::kInt:
    case at::kByte:
      return true;
    default:
      return false;
  }
}

[[noreturn]] void refuse(const Collective& collective, const std::string& why) {
  throw Error(ExitCode::internal,
              fmt::format("{} \"{}\" cannot be started: {}", name(collective.kind), collective.label, why));
}

void check_tensor(const Collective& collective, const at::Tensor& tensor, std::string_view which,
                  at::DeviceType device) {
  if (!tensor.defined()) refuse(collective, fmt::format("its {} tensor is not defined", which));
  if (tensor.device().type() != device) {
    refuse(collective, fmt::format("its {} tensor is on {}, but the communicator works on {}", which,
                                   tensor.device().str(), c10::DeviceTypeName(device, true)));
  }
  if (!known_dtype(tensor.scalar_type())) {
    refuse(collective,
           fmt::format("its {} tensor has dtype {}; supported are fp16, bf16, fp32, fp64, int64, int32 "
                       "and uint8",
                       which, c10::toString(tensor.scalar_type())));
  }
  if (!tensor.is_contiguous()) {
    refuse(collective, fmt::format("its {} tensor of {} elements is not contiguous", which, tensor.numel()));
  }
}

}  // namespace

std::string_view name(CollectiveKind kind) {
  switch (kind) {
    case CollectiveKind::all_reduce:
      return "all_reduce";
    case CollectiveKind::reduce_scatter:
      return "reduce_scatter";
    case CollectiveKind::all_gather:
      return "all_gather";
    case CollectiveKind::broadcast:
      return "broadcast";
    case CollectiveKind::barrier:
      return "barrier";
  }
  return "collective";
}

std::string_view name(ReduceOp op) {
  switch (op) {
    case ReduceOp::sum:
      return "sum";
    case ReduceOp::max:
      return "max";
    case ReduceOp::min:
      return "min";
  }
  return "op";
}

std::int64_t input_bytes(const Collective& collective) {
  return collective.input.defined() ? static_cast<std::int64_t>(collective.input.nbytes()) : 0;
}

void check(const Collective& collective, int size, at::DeviceType device) {
  if (collective.kind == CollectiveKind::barrier) return;
  check_tensor(collective, collective.input, "input", device);
  const std::int64_t in = collective.input.numel();
  if (collective.kind == CollectiveKind::broadcast && (collective.root < 0 || collective.root >= size)) {
    refuse(collective, fmt::format("root {} is not one of the ranks 0 to {}", collective.root, size - 1));
  }
  if (collective.kind != CollectiveKind::reduce_scatter && collective.kind != CollectiveKind::all_gather)
    return;

  check_tensor(collective, collective.output, "output", device);
  const std::int64_t out = collective.output.numel();
  if (collective.output.scalar_type() != collective.input.scalar_type()) {
    refuse(collective,
           fmt::format("its input is {} and its output {}", c10::toString(collective.input.scalar_type()),
                       c10::toString(collective.output.scalar_type())));
  }
  if (collective.kind == CollectiveKind::reduce_scatter && (in % size != 0 || out != in / size)) {
    refuse(
        collective,
        fmt::format("an input of {} elements over {} ranks needs an output of {} elements each{}; it has {}",
                    in, size, in / size, in % size != 0 ? " and a multiple of the ranks" : "", out));
  }
  if (collective.kind == CollectiveKind::all_gather && out != in * size) {
    refuse(
        collective,
        fmt::format("an input of {} elements from each of {} ranks needs an output of {} elements; it has {}",
                    in, size, in * size, out));
  }
}

}  // namespace ebb::comm
