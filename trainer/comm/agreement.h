#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "comm/wire.h"

namespace ebb::comm {

inline constexpr std::uint8_t kAgreementKind = 255;  // in a Notice: none of Kind

// One text of any length from each rank, in rank order, the same on all. Short ones (63 bytes) take one
// message a rank.
std::vector<std::string> gather_texts(Wire& wire, const Operation& operation, const std::string& text);

}  // namespace ebb::comm
