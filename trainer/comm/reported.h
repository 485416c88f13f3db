#pragma once
#include <string>

#include "base/error.h"

namespace ebb::comm {

// Another rank failed and tells the user why: this one ends with the same code and says nothing.
class ReportedElsewhere final : public Error {
 public:
  explicit ReportedElsewhere(ExitCode code,
                             const std::string& message = "another rank has reported the error")
      : Error(code, message) {}
};

}  // namespace ebb::comm
