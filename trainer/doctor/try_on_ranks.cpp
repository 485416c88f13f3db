// SPDX-License-Identifier: Apache-2.0
#include "doctor/try_on_ranks.h"

#include <chrono>

#include "base/error.h"

namespace ebb::doctor {

std::vector<Outcome> try_on_ranks(const comm::World& world, double timeout_s,
                                  const std::function<std::string()>& work) {
  using Clock = std::chrono::steady_clock;
  Outcome mine{world.rank(), world.host(), 0, {}, {}, 0};
  const auto start = Clock::now();
  try {
    mine.found = work();
  } catch (const Error& error) {
    mine.code = static_cast<int>(error.code());
    mine.message = error.what();
  } catch (const std::exception& error) {
    mine.code = static_cast<int>(ExitCode::internal);
    mine.message = error.what();
  }
  mine.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  std::vector<Outcome> outcomes;
  for (const std::string& text : world.gather_to_all(mine.to_text(), timeout_s))
    outcomes.push_back(Outcome::parse(text));
  return outcomes;
}

}  // namespace ebb::doctor
