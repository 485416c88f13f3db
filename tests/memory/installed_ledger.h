// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "memory/cpu_allocator.h"
#include "memory/ledger.h"

namespace ebb::memory {

// The ledger of the test's process. The first call installs it, before the first tensor. Never destroyed.
inline Ledger& the_test_ledger() {
  static Ledger* const ledger = [] {
    auto* made = new Ledger;
    install(*made);
    return made;
  }();
  return *ledger;
}

inline std::int64_t live(Class cls) {
  return the_test_ledger().live(Ledger::Location::host)[static_cast<std::size_t>(cls)];
}

// Live host bytes of a class and an owner.
inline std::int64_t live(Class cls, std::string_view owner) {
  for (const OwnerBytes& line : the_test_ledger().owners(Ledger::Location::host)) {
    if (line.cls == cls && line.owner == owner) return line.bytes;
  }
  return 0;
}

}  // namespace ebb::memory
