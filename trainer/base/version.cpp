// SPDX-License-Identifier: Apache-2.0
#include "base/version.h"

namespace ebb {

const char* version() {
  return EBB_VERSION;
}

}  // namespace ebb
