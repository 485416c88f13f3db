// SPDX-License-Identifier: Apache-2.0
#include "core/batch.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace ebb::core {

at::ScalarType scalar_type(ElementType type) {
  switch (type) {
    case ElementType::u8:
      return at::kByte;
    case ElementType::i32:
      return at::kInt;
    case ElementType::i64:
      return at::kLong;
    case ElementType::f16:
      return at::kHalf;
    case ElementType::bf16:
      return at::kBFloat16;
    case ElementType::f32:
      return at::kFloat;
  }
  throw Error(ExitCode::internal, "unknown element type");
}

const at::Tensor& Batch::field(std::string_view name) const {
  const auto found = std::ranges::find(fields, name, &Field::name);
  if (found != fields.end()) return found->tensor;
  std::string names;
  for (const Field& field : fields) names += (names.empty() ? "" : ", ") + field.name;
  throw Error(ExitCode::internal, fmt::format("a batch has no field {}; it has: {}", name, names));
}

}  // namespace ebb::core
