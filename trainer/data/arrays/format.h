// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "data/format.h"

namespace ebb::data {

// Arrays of NumPy (.npy, .npz) and of safetensors.
Format array_format();

}  // namespace ebb::data
