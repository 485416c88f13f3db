// SPDX-License-Identifier: Apache-2.0
#include "step/phase_rules.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace ebb::step {

namespace {

template <class... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) {
  throw Error(ExitCode::internal, fmt::format(text, std::forward<Args>(args)...));
}

// A declared trainee has a section in the configuration; the section of any other name is never read.
void check_declared(core::Phase& phase, const std::vector<std::string>& declared) {
  const std::string trainee = phase.plan().trainee;
  if (declared.size() < 2 && trainee.empty()) return;
  if (std::ranges::find(declared, trainee) == declared.end())
    refuse("phase {} trains `{}`, which is not a trainee of the family", phase.name(), trainee);
}

void check_trained(const std::string& trainee, const std::vector<core::Phase*>& phases, bool is_only_one) {
  const auto trains = [&](core::Phase* phase) {
    const std::string name = phase->plan().trainee;
    return name == trainee || (is_only_one && name.empty());
  };
  if (std::ranges::none_of(phases, trains)) refuse("no phase trains `{}`", trainee);
}

void check_listed_once(core::Phase& phase) {
  const std::vector<core::Unit*> units = phase.units();
  for (const core::Unit* unit : units)
    if (std::ranges::count(units, unit) > 1) refuse("phase {} lists unit {} twice", phase.name(), unit->name);
}

// Phases of one trainee hold the same units: the optimizer updates all of a trainee's parameters after each
// phase. Phases of two trainees share none.
void check_units(core::Phase& first, core::Phase& second) {
  const std::vector<core::Unit*> units = first.units(), others = second.units();
  if (first.plan().trainee == second.plan().trainee) {
    if (!std::ranges::is_permutation(units, others))
      refuse("phases {} and {} train the same trainee and list different units", first.name(), second.name());
    return;
  }
  for (const core::Unit* unit : units)
    if (std::ranges::find(others, unit) != others.end())
      refuse("unit {} belongs to the trainees of two phases, {} and {}", unit->name, first.name(),
             second.name());
}

}  // namespace

void check_phases(const std::vector<core::Phase*>& phases, const std::vector<std::string>& declared) {
  for (core::Phase* phase : phases) {
    if (phase->plan().repeats < 1)
      refuse("phase {} runs {} times in a step, but must run at least once", phase->name(),
             phase->plan().repeats);
    check_declared(*phase, declared);
    check_listed_once(*phase);
  }
  for (const std::string& trainee : declared) check_trained(trainee, phases, declared.size() < 2);
  for (std::size_t i = 0; i < phases.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) check_units(*phases[j], *phases[i]);
}

}  // namespace ebb::step
