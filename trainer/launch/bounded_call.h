// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

namespace ebb::launch {

// Calls `function`, which uses storage that may hang, in a child process. nullopt: it did not return within
// the limit, or threw. The child is then killed, but not waited for. Nothing else that `function` does has an
// effect on this process, which must have no thread but the calling one.
std::optional<std::int64_t> call_within(std::chrono::milliseconds limit,
                                        const std::function<std::int64_t()>& function);

}  // namespace ebb::launch
