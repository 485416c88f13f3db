// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <functional>

namespace ebb::data {

// Called from time to time with the amount done and the total. May be empty.
using Progress = std::function<void(std::int64_t done, std::int64_t total)>;

}  // namespace ebb::data
