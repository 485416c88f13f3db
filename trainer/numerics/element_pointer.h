// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

#include <cstdint>

namespace ebb::numerics {

// The address of element i of a contiguous tensor of any dtype, to read or to write.
inline const char* element_pointer(const at::Tensor& t, std::int64_t i) {
  return static_cast<const char*>(t.const_data_ptr()) + i * t.element_size();
}
inline char* mutable_element_pointer(const at::Tensor& t, std::int64_t i) {
  return static_cast<char*>(t.mutable_data_ptr()) + i * t.element_size();
}

}  // namespace ebb::numerics
