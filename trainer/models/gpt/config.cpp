// SPDX-License-Identifier: Apache-2.0
#include "models/gpt/config.h"

#include <fmt/format.h>

namespace ebb::models {

namespace {

constexpr std::int64_t kMaxHeadWidth = 256;    // of attention
constexpr std::int64_t kHiddenMultiple = 256;  // of the hidden width in llama

void describe_rope(config::Section& s, double& theta, numerics::RopeScaling& rope) {
  using Method = numerics::RopeScaling::Method;
  s.number("theta", theta).above(0).doc("Base of the rotary angles: 10000 in Llama 2, 500000 in Llama 3.");
  s.choice("scaling", rope.method,
           {{"none", Method::none}, {"linear", Method::linear}, {"llama3", Method::llama3}})
      .doc(
          "Scaling of angles for a longer context. linear: all by factor. llama3: the slow ones by factor, "
          "but not the fast ones (Llama 3.1).");
  s.only_where(
      "model.rope.scaling is linear or llama3", [&rope] { return rope.method != Method::none; },
      [&rope](config::Section& keys) {
        keys.number("factor", rope.factor).at_least(1).doc("Angles are divided by it.");
      });
  s.only_where(
      "model.rope.scaling is llama3", [&rope] { return rope.method == Method::llama3; },
      [&rope](config::Section& keys) {
        keys.number("low", rope.low)
            .above(0)
            .doc("Pairs with fewer turns than this in the original context are divided by factor.");
        keys.number("high", rope.high)
            .above(0)
            .doc("Pairs with more turns than this in the original context are not scaled.");
        keys.integer("original_context", rope.original)
            .at_least(1)
            .unit("tokens")
            .doc("The context of the original training.");
        keys.rule({"low", "high"}, [&rope]() -> std::string {
          if (rope.low < rope.high) return "";
          return fmt::format("low is {} and high is {}: set high above low", rope.low, rope.high);
        });
      });
}

}  // namespace

std::int64_t GptConfig::feed_forward_width() const {
  if (feed_forward) return *feed_forward;
  if (!is_llama()) return 4 * dim;
  return (8 * dim / 3 + kHiddenMultiple - 1) / kHiddenMultiple * kHiddenMultiple;
}

void GptConfig::describe(config::Section& s) {
  s.choice("architecture", architecture, {{"gpt2", GptArchitecture::gpt2}, {"llama", GptArchitecture::llama}})
      .doc(
          "The architecture. gpt2: learned positions, LayerNorm, GELU, biases. llama: rotary positions, "
          "RMSNorm, SwiGLU, no biases.")
      .shapes_state();
  s.integer("vocabulary", vocabulary)
      .at_least(2)
      .at_most(std::int64_t{1} << 24)
      .unit("tokens")
      .doc("Number of tokens: 257 for bytes, 50257 for GPT-2. A token file with a larger id is refused.")
      .shapes_state();
  s.integer_or_auto("context", context)
      .at_least(1)
      .at_most(1 << 24)
      .doc("Maximum tokens of one forward pass, at least data.context. auto: data.context.");
  s.integer("layers", layers)
      .at_least(1)
      .at_most(kMostGptLayers)
      .doc("Blocks of attention and feed-forward.")
      .shapes_state();
  s.integer("heads", heads).at_least(1).at_most(65536).doc("Attention heads of a block.").shapes_state();
  s.integer_or_auto("kv_heads", kv_heads)
      .at_least(1)
      .doc(
          "Heads of keys and values, each shared by heads / kv_heads query heads (grouped-query attention). "
          "auto: as many as heads.");
  s.integer("dim", dim)
      .at_least(2)
      .at_most(1 << 20)
      .doc("Width of the residual stream; all heads together.")
      .shapes_state();
  s.integer_or_auto("feed_forward", feed_forward)
      .at_least(1)
      .doc(
          "Width of the feed-forward layer. auto: 4 dim in gpt2; 8/3 dim in llama, rounded up to a multiple "
          "of 256.");
  s.flag("tied", tied).doc("The head shares the weights of the token embedding.").shapes_state();
  s.text("weights", weights)
      .doc(
          "Folder of weights that training starts from, as `transformers` and `ebb export` write it. Empty: "
          "run.seed draws the initial weights. `ebb import` writes a configuration for a folder.")
      .free_to_change();
  s.integer_or_auto("document_end", document_end)
      .at_least(0)
      .doc(
          "The token that ends a document (256 for bytes, 50256 for GPT-2). Attention then stays within a "
          "document, and this token begins the next one. auto: attention covers the whole window.");
  s.number("z_loss", z_loss)
      .at_least(0)
      .doc(
          "Weight of the squared logarithm of the softmax's denominator in the training loss. It keeps "
          "logits "
          "near 0 (PaLM: 1e-4). The test loss does not include it.");
  s.number("norm_eps", norm_eps).above(0).doc("Added to the variance in the norms.");
  s.only_where(
      "model.architecture is llama", [this] { return is_llama(); },
      [this](config::Section& keys) {
        describe_rope(keys.child("rope", "Rotary positions."), rope_theta, rope);
      });
  s.renamed("parts", "architecture");
  s.renamed("key_heads", "kv_heads");
  s.rule({"dim", "heads"}, [this]() -> std::string {
    if (dim % heads != 0)
      return fmt::format("a width of {} does not divide into {} heads: set dim to a multiple of heads", dim,
                         heads);
    if (head_width() > kMaxHeadWidth)
      return fmt::format("a head would be {} wide, and the limit is {}: raise heads", head_width(),
                         kMaxHeadWidth);
    if (is_llama() && head_width() % 2 != 0)
      return fmt::format("a head would be {} wide, and rotary positions rotate pairs: the width must be even",
                         head_width());
    return "";
  });
  s.rule({"document_end", "vocabulary"}, [this]() -> std::string {
    if (!document_end || *document_end < vocabulary) return "";
    return fmt::format("token {} is outside the vocabulary of {}, so it would end no document", *document_end,
                       vocabulary);
  });
  s.rule({"heads", "kv_heads"}, [this]() -> std::string {
    const std::int64_t keys = kv_heads.value_or(heads);
    if (heads % keys == 0) return "";
    return fmt::format("{} heads cannot share {} key/value heads equally: set kv_heads to a divisor of heads",
                       heads, keys);
  });
}

}  // namespace ebb::models
