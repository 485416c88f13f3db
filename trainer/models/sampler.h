#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "core/unit.h"

namespace ebb::models {

class ImageSampler {
 public:
  virtual ~ImageSampler() = default;
  // `count` new images [count, C, H, W] uint8 on the CPU: a pure function of the parameters, the seed and
  // each image's number.
  virtual at::Tensor sample(std::int64_t count, std::uint64_t seed, core::UnitRunner& runner) = 0;
  // The model's image of each image, [N, C, H, W] uint8 on the CPU.
  virtual at::Tensor reconstruct(const at::Tensor& images, core::UnitRunner& runner) = 0;
};

// What a decoder keeps of the tokens that it has seen, so that the next one costs one pass of one token.
struct KeyValues {
  std::vector<at::Tensor> keys, values;  // a layer: [room, key heads, D], rows from `length` on unset
  std::int64_t length = 0;
  std::int64_t document = 0;  // where the last token's begins, in models that tell documents apart
};

class TextSampler {
 public:
  virtual ~TextSampler() = default;
  [[nodiscard]] virtual std::int64_t context() const = 0;     // tokens that it can see at once
  [[nodiscard]] virtual std::int64_t vocabulary() const = 0;  // ids are below it
  // Room for a text of up to `tokens`, at most context(); class activations, owner "key-value cache".
  [[nodiscard]] virtual KeyValues begin(std::int64_t tokens) const = 0;
  // Logits [vocabulary] fp32 on the CPU of what follows `tokens` [n] int64, which follow those that `seen`
  // holds: n tokens of which it has seen none, or one more. They are added to `seen`; Error(internal) where
  // they have no room.
  virtual at::Tensor next(const at::Tensor& tokens, KeyValues& seen, core::UnitRunner& runner) = 0;
};

}  // namespace ebb::models
