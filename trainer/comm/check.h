// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "comm/communicator.h"

namespace ebb::comm {

std::string_view name(CollectiveKind kind);
std::string_view name(ReduceOp op);

// Size in bytes of the collective's input on one rank; 0 for a barrier.
std::int64_t input_bytes(const Collective& collective);

// Throws Error(internal) for a collective that no backend accepts. It has an undefined or strided tensor,
// another device, a dtype outside the list of `Collective`, sizes that do not fit `size` ranks, or an invalid
// root. Only ebb's own code can cause this. The message has the label and the figures. Each backend calls it
// at the start of start(), so all refuse the same ones.
void check(const Collective& collective, int size, at::DeviceType device);

}  // namespace ebb::comm
