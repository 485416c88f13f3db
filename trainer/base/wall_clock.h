// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <chrono>

namespace ebb {

// Seconds since 1970-01-01 00:00 UTC.
inline double unix_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace ebb
