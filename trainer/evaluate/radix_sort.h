// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>

namespace ebb::evaluate {

// Sorts upwards in linear time, by a radix sort of 11 bits a pass. It takes two buffers of the size of
// `values`. None of the values may be NaN. -0 comes before 0.
void radix_sort(std::span<float> values);

}  // namespace ebb::evaluate
