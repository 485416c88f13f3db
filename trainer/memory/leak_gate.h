#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "memory/config.h"
#include "memory/ledger.h"

namespace ebb::memory {

// Stands at the end of a step: bytes handed out and alive must equal those at the end of the step before,
// class by class, on host and device, from the second step on. There is no list of exemptions.
class LeakGate {
 public:
  LeakGate(const Ledger& ledger, LeakPolicy policy);
  // Compares with the step before. On a difference: policy error throws Error(memory) naming the step, each
  // class that differs, its owners with the bytes before, now and the difference; warn returns that text;
  // nothing otherwise.
  std::optional<std::string> check(std::int64_t step);

 private:
  const Ledger& ledger_;
  LeakPolicy policy_;
  std::vector<OwnerBytes> before_host_, before_device_;
  bool armed_ = false;
};

}  // namespace ebb::memory
