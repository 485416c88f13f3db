// SPDX-License-Identifier: Apache-2.0
#include "step/overflow.h"

#include <fmt/format.h>

#include "memory/ledger.h"
#include "numerics/update.h"

namespace ebb::step {

namespace {

bool is_finite(const at::Tensor& gradient) {
  const memory::Tag tag(memory::Class::communication, "agreement");
  return numerics::gradient_stats({gradient}).cpu().data_ptr<double>()[1] == 0;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const char* const separator = i + 1 < names.size() ? ", " : " and ";
    text += (i == 0 ? "" : separator) + names[i];
  }
  return text;
}

// "the gradients of the terms r1 and r2 with respect to head.weight"
std::string overflowed_gradient(const PhaseReport& run) {
  const std::string parameter = run.overflowed.empty() ? "some parameter" : run.overflowed;
  const std::vector<std::string>& parts = run.overflowed_by;
  if (parts.empty()) return "the gradient of " + parameter;
  if (parts.size() > 1)
    return fmt::format("the gradients of the terms {} with respect to {}", joined(parts), parameter);
  if (parts[0] == kOnlySum)
    return fmt::format("the sum of the gradients of all terms with respect to {}", parameter);
  const std::string part = parts[0] == "loss" ? "the loss" : "the term " + parts[0];
  return fmt::format("the gradient of {} with respect to {}", part, parameter);
}

}  // namespace

std::vector<std::string> trace_overflow(const DecisionInput& input, std::size_t parameter) {
  const std::vector<std::string>& parts = input.losses.parts();
  if (parts.size() < 2) return parts;
  if (!input.gradients_of_part) return {};
  std::vector<std::string> found;
  for (std::size_t part = 0; part < parts.size(); ++part)
    if (!is_finite(input.gradients_of_part(part)[parameter])) found.push_back(parts[part]);
  if (found.empty()) found.emplace_back(kOnlySum);
  return found;
}

std::string overflowed_values(const PhaseReport& run) {
  const std::string gradient = overflowed_gradient(run);
  if (run.overflowed_term.empty()) return gradient;
  const std::string term =
      run.overflowed_term == "loss" ? "the loss" : fmt::format("the term {}", run.overflowed_term);
  return run.overflowed.empty() ? term : fmt::format("{} and {}", term, gradient);
}

}  // namespace ebb::step
