// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "memory/dry_memory.h"
#include "memory/ledger.h"

namespace ebb::memory {

// While it exists, tensors on the meta device count in `ledger` as memory of `location`, under the tag of
// their thread, and in `memory`. Only small handles are allocated: such a tensor has a size and no data. On a
// device it also has an address, which must not be accessed. A program that runs on the meta device thus has
// the account of the same program on a CPU or a GPU. Tensors of the CPU, such as the scalar operand of an op,
// of any thread, count in `ledger` as host memory, and not in `memory`. One at a time in a process;
// Error(internal) for a second one. It must outlive the meta tensors that are made meanwhile. Tensors made
// before do not count.
class MetaAccount {
 public:
  MetaAccount(Ledger& ledger, DryMemory& memory, Ledger::Location location = Ledger::Location::host);
  ~MetaAccount();
  MetaAccount(const MetaAccount&) = delete;
  MetaAccount& operator=(const MetaAccount&) = delete;

  // The backward function that ran at the largest total of the ledger so far; empty: none.
  [[nodiscard]] const std::string& peak_function() const;
};

// The ledger of the MetaAccount that exists; else null.
Ledger* dry_ledger();

}  // namespace ebb::memory
