#pragma once
#include <cstdint>

#include "numerics/cpu/workspace.h"

namespace ebb::numerics {

// While it lives, the CPU kernels have that many bytes to convert blocks in.
class SmallWorkspace {
 public:
  explicit SmallWorkspace(std::int64_t bytes) : before_(cpu::workspace_bytes()) {
    cpu::workspace_bytes() = bytes;
  }
  ~SmallWorkspace() { cpu::workspace_bytes() = before_; }

 private:
  std::int64_t before_;
};

}  // namespace ebb::numerics
