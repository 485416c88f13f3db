// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "memory/classes.h"

namespace ebb::memory {

struct OwnerName {
  Class cls;
  std::string owner;
  std::uint32_t id;
};

// Pairs of class and owner. Each is kept once, until the process ends, under a small id: a ledger stores the
// id, and the name outlives its tag. Names are units and purposes: a few hundred, never one for each step or
// block. Any thread may call; the references stay valid.
const OwnerName& intern(Class cls, std::string_view owner);
const OwnerName& owner_name(std::uint32_t id);

// The owner of a block without a tag: activations / "untagged".
inline constexpr std::uint32_t kUntagged = 0;

}  // namespace ebb::memory
