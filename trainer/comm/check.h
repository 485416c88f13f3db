#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "comm/communicator.h"

namespace ebb::comm {

std::string_view name(Kind kind);
std::string_view name(ReduceOp op);

// Bytes of the collective's input on one rank (0 for a barrier).
std::int64_t input_bytes(const Collective& collective);

// Refuses what no backend takes: an undefined or strided tensor, another device, a dtype that is not in the
// list of `Collective`, sizes that do not fit `size` ranks, a root that is no rank. Error(internal), since
// only ebb's own code can cause it; the message has the label and the figures. Every backend calls it first
// thing in start(), so that all refuse alike.
void check(const Collective& collective, int size, at::DeviceType device);

}  // namespace ebb::comm
