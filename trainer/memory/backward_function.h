// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

namespace ebb::memory {

// The backward function of autograd that the calling thread runs now, such as "Conv2d" or "MulBackward0";
// empty outside of backward.
[[nodiscard]] std::string backward_function();

}  // namespace ebb::memory
