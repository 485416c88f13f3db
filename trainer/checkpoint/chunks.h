// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>

namespace ebb::checkpoint {

// Cuts a tensor of any strides into views of at most `max_bytes`, in row-major order.
template <class F>
void for_each_chunk(const at::Tensor& tensor, std::int64_t max_bytes, const F& use) {
  if (tensor.numel() == 0) return;
  if (tensor.is_contiguous()) {
    const at::Tensor flat = tensor.view({-1});
    const std::int64_t step =
        std::max<std::int64_t>(1, max_bytes / static_cast<std::int64_t>(flat.element_size()));
    for (std::int64_t i = 0; i < flat.numel(); i += step)
      use(flat.narrow(0, i, std::min(step, flat.numel() - i)));
  } else if (static_cast<std::int64_t>(tensor.nbytes()) <= max_bytes) {
    use(tensor);
  } else {
    for (std::int64_t i = 0; i < tensor.size(0); ++i) for_each_chunk(tensor.select(0, i), max_bytes, use);
  }
}

}  // namespace ebb::checkpoint
