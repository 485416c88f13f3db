// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "data/format.h"

namespace ebb::data {

// Token files of llm.c or Megatron, known by their headers. Brings tokens.
Format token_format();
// Token files of u16 without a header. Brings tokens.
Format raw_u16_format();

}  // namespace ebb::data
