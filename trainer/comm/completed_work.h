// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "comm/communicator.h"

namespace ebb::comm {

// The Work of a collective that is complete when start() returns.
class CompletedWork final : public Work {
 public:
  void wait() override {}
};

}  // namespace ebb::comm
