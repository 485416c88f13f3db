// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "core/unit.h"

namespace ebb::models {

// The tensor on the CPU; itself on the meta device, whose memory stands for the CPU's in a plan.
inline at::Tensor on_host(const at::Tensor& tensor) {
  return tensor.is_meta() ? tensor : tensor.cpu();
}

class ImageSampler {
 public:
  virtual ~ImageSampler() = default;
  // The new images `first` to `first` + `count` [count, C, H, W] uint8 on the CPU. Each is a pure function of
  // the parameters, the seed and its number. Of a model on the meta device they are there (on_host).
  virtual at::Tensor sample(std::int64_t first, std::int64_t count, std::uint64_t seed,
                            core::UnitRunner& runner) = 0;
};

class ImageReconstructor {
 public:
  virtual ~ImageReconstructor() = default;
  // The reconstruction of each image, [N, C, H, W] uint8 on the CPU.
  virtual at::Tensor reconstruct(const at::Tensor& images, core::UnitRunner& runner) = 0;
};

// The keys and values of the tokens so far. With them the next one costs a forward pass of one token.
struct KeyValueCache {
  // One per layer: [capacity, key/value heads, D]. Rows from `length` on are unset.
  std::vector<at::Tensor> keys, values;
  std::int64_t length = 0;
  std::int64_t document = 0;  // where the last token's document begins, if the model has documents
};

class TextSampler {
 public:
  virtual ~TextSampler() = default;
  [[nodiscard]] virtual std::int64_t context() const = 0;     // maximum tokens of a forward pass
  [[nodiscard]] virtual std::int64_t vocabulary() const = 0;  // ids are below it
  // An empty cache for up to `tokens` tokens, at most context(); class activations, owner "key-value cache".
  [[nodiscard]] virtual KeyValueCache begin(std::int64_t tokens) const = 0;
  // Logits [vocabulary] fp32 on the CPU for the token after `tokens` [n] int64 on the CPU. `tokens` follow
  // those in `cache`, and the call adds them to it: n tokens to an empty cache, else one. Error(internal) if
  // the cache is full. Of a model on the meta device the logits are there (on_host).
  virtual at::Tensor next(const at::Tensor& tokens, KeyValueCache& cache, core::UnitRunner& runner) = 0;
};

}  // namespace ebb::models
