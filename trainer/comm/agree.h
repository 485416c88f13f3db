#pragma once
#include <functional>
#include <string_view>

#include "base/error.h"
#include "comm/world.h"

namespace ebb::comm {

// Another rank failed and has told the user why: this one ends with the same code and says nothing.
class ReportedElsewhere final : public Error {
 public:
  explicit ReportedElsewhere(ExitCode code) : Error(code, "another rank has reported the error") {}
};

// Runs `action` on every rank; when it throws an Error on some, all ranks throw: the lowest of those that
// failed its own, the others ReportedElsewhere with its code. So the message is printed once. Collective.
void agree(const World& world, double timeout_s, const std::function<void()>& action);

}  // namespace ebb::comm
