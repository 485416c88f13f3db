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

// Pairs of class and owner, each kept once for the life of the process under a small id, so that a ledger's
// record is a number and a name may be asked for long after its tag is gone. Names are units and purposes: a
// few hundred, never one for each step or block. Safe from any thread; the references stay good.
const OwnerName& intern(Class cls, std::string_view owner);
const OwnerName& owner_name(std::uint32_t id);

// What a block belongs to where no tag says otherwise: activations / "untagged".
inline constexpr std::uint32_t kUntagged = 0;

}  // namespace ebb::memory
