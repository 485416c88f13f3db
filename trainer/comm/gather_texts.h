// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "comm/transport.h"

namespace ebb::comm {

inline constexpr std::uint8_t kGatherTextsKind = 255;  // Notice::kind of gather_texts(); no CollectiveKind

// Gathers a text of any length from each rank, in rank order, on all ranks. A text of at most
// Notice::kPayloadBytes needs one message to each rank. Collective; throws as Transport does.
std::vector<std::string> gather_texts(Transport& transport, const Operation& operation,
                                      const std::string& text);

}  // namespace ebb::comm
