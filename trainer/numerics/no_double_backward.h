// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <c10/core/GradMode.h>

#include <string>

#include "base/error.h"

namespace ebb::numerics {

// Our backward passes call raw kernels, so a graph of them would be silently wrong. Call this first in each.
// It throws Error(internal) if a graph is requested.
inline void refuse_second_derivative(const char* op) {
  if (c10::GradMode::is_enabled())
    throw Error(ExitCode::internal,
                std::string(op) +
                    ": no second derivative. A graph of its backward was requested "
                    "(create_graph), which this kernel does not support; write the term with LibTorch's own "
                    "operators");
}

}  // namespace ebb::numerics
