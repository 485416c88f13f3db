// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/record_function.h>

#include <string>

namespace ebb::memory {

// While it exists, it follows the backward functions of autograd that its thread runs. One at a time in a
// thread.
class OpWatch {
 public:
  OpWatch();
  ~OpWatch();
  OpWatch(const OpWatch&) = delete;
  OpWatch& operator=(const OpWatch&) = delete;

  // The function that this thread runs now, such as "Conv2d" or "MulBackward0"; empty outside of backward.
  [[nodiscard]] static std::string current();

 private:
  at::CallbackHandle handle_;
};

}  // namespace ebb::memory
