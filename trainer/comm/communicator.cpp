// SPDX-License-Identifier: Apache-2.0
#include "comm/communicator.h"

#include <utility>

namespace ebb::comm {
namespace {

Collective make_collective(CollectiveKind kind, std::string label) {
  Collective collective;
  collective.kind = kind;
  collective.label = std::move(label);
  return collective;
}

}  // namespace

void Communicator::all_reduce(const at::Tensor& tensor, std::string label, ReduceOp op) {
  Collective collective = make_collective(CollectiveKind::all_reduce, std::move(label));
  collective.input = tensor;
  collective.op = op;
  start(std::move(collective))->wait();
}

void Communicator::reduce_scatter(const at::Tensor& input, const at::Tensor& output, std::string label) {
  Collective collective = make_collective(CollectiveKind::reduce_scatter, std::move(label));
  collective.input = input;
  collective.output = output;
  start(std::move(collective))->wait();
}

void Communicator::all_gather(const at::Tensor& input, const at::Tensor& output, std::string label) {
  Collective collective = make_collective(CollectiveKind::all_gather, std::move(label));
  collective.input = input;
  collective.output = output;
  start(std::move(collective))->wait();
}

void Communicator::broadcast(const at::Tensor& tensor, int root, std::string label) {
  Collective collective = make_collective(CollectiveKind::broadcast, std::move(label));
  collective.input = tensor;
  collective.root = root;
  start(std::move(collective))->wait();
}

void Communicator::barrier(std::string label) {
  start(make_collective(CollectiveKind::barrier, std::move(label)))->wait();
}

}  // namespace ebb::comm
