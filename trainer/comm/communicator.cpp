#include "comm/communicator.h"

#include <utility>

namespace ebb::comm {
namespace {

Collective collective(Kind kind, std::string label) {
  Collective made;
  made.kind = kind;
  made.label = std::move(label);
  return made;
}

}  // namespace

void Communicator::all_reduce(const at::Tensor& tensor, std::string label, ReduceOp op) {
  Collective made = collective(Kind::all_reduce, std::move(label));
  made.input = tensor;
  made.op = op;
  start(std::move(made))->wait();
}

void Communicator::reduce_scatter(const at::Tensor& input, const at::Tensor& output, std::string label) {
  Collective made = collective(Kind::reduce_scatter, std::move(label));
  made.input = input;
  made.output = output;
  start(std::move(made))->wait();
}

void Communicator::all_gather(const at::Tensor& input, const at::Tensor& output, std::string label) {
  Collective made = collective(Kind::all_gather, std::move(label));
  made.input = input;
  made.output = output;
  start(std::move(made))->wait();
}

void Communicator::broadcast(const at::Tensor& tensor, int root, std::string label) {
  Collective made = collective(Kind::broadcast, std::move(label));
  made.input = tensor;
  made.root = root;
  start(std::move(made))->wait();
}

void Communicator::barrier(std::string label) {
  start(collective(Kind::barrier, std::move(label)))->wait();
}

}  // namespace ebb::comm
