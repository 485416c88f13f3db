// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "data/format.h"

namespace ebb::data {

// Token files of llm.c or Megatron, recognized by their headers. Provides tokens.
Format token_format();
// Token files of u16 without a header. Provides tokens.
Format raw_u16_format();

}  // namespace ebb::data
