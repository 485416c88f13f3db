// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "base/error.h"

namespace ebb::comm {

// Another rank failed and reports the error. This rank ends with the same code and prints nothing.
class RemoteError final : public Error {
 public:
  explicit RemoteError(ExitCode code, const std::string& message = "another rank has reported the error")
      : Error(code, message) {}
};

}  // namespace ebb::comm
