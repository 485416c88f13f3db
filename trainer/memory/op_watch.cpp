// SPDX-License-Identifier: Apache-2.0
#include "memory/op_watch.h"

#include <string_view>
#include <vector>

namespace ebb::memory {
namespace {

thread_local std::vector<std::string> the_functions;  // that run, the innermost last

std::unique_ptr<at::ObserverContext> begin(const at::RecordFunction& function) {
  the_functions.emplace_back(function.name());
  return nullptr;
}

void end(const at::RecordFunction&, at::ObserverContext*) {
  the_functions.pop_back();
}

// "torch::autograd::CppNode<ebb::numerics::(anonymous namespace)::Linear>" -> "Linear"
std::string short_name(std::string_view name) {
  const std::size_t colons = name.rfind("::");
  if (colons != std::string_view::npos) name.remove_prefix(colons + 2);
  if (name.ends_with('>')) name.remove_suffix(1);
  return std::string(name);
}

}  // namespace

OpWatch::OpWatch()
    : handle_(at::addThreadLocalCallback(
          at::RecordFunctionCallback(begin, end).scopes({at::RecordScope::BACKWARD_FUNCTION}))) {}

OpWatch::~OpWatch() {
  at::removeCallback(handle_);
}

std::string OpWatch::current() {
  return the_functions.empty() ? "" : short_name(the_functions.back());
}

}  // namespace ebb::memory
