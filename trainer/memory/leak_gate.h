// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "memory/config.h"
#include "memory/ledger.h"

namespace ebb::memory {

// The check at the end of each step, from the second on. Live bytes must equal those at the end of the step
// before, class by class, on host and device. There is no list of exemptions.
class LeakGate {
 public:
  LeakGate(const Ledger& ledger, LeakPolicy policy);
  // Compares with the step before. On a difference, policy `error` throws Error(memory) with the step, each
  // class that differs, its owners with their bytes before, now and the difference, and the usual causes.
  // `warn` returns that text without the causes. Otherwise nothing is returned.
  std::optional<std::string> check(std::int64_t step);

 private:
  const Ledger& ledger_;
  LeakPolicy policy_;
  std::vector<OwnerBytes> before_host_, before_device_;
  bool armed_ = false;
};

}  // namespace ebb::memory
