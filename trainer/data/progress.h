// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <functional>

namespace ebb::data {

// Called now and then with what is done and what there is in all. May be empty.
using Progress = std::function<void(std::int64_t done, std::int64_t total)>;

}  // namespace ebb::data
