#include "models/gpt/config.h"

#include <fmt/format.h>

namespace ebb::models {

namespace {

constexpr std::int64_t kWidestHead = 256;  // that attention takes
constexpr std::int64_t kRounding = 256;    // of the hidden width of llama

void describe_rope(config::Section& s, double& theta, numerics::RopeScaling& rope) {
  using Kind = numerics::RopeScaling::Kind;
  s.number("theta", theta).above(0).doc("Base of the rotary angles: 10000 in Llama 2, 500000 in Llama 3.");
  s.choice("scaling", rope.kind, {{"none", Kind::none}, {"linear", Kind::linear}, {"llama3", Kind::llama3}})
      .doc(
          "How angles are made smaller to see further. linear: all by factor. llama3: the slow ones by "
          "factor, the fast ones not (Llama 3.1).");
  s.only_where(
      "model.rope.scaling is linear or llama3", [&rope] { return rope.kind != Kind::none; },
      [&rope](config::Section& keys) {
        keys.number("factor", rope.factor).at_least(1).doc("By how much angles are made smaller.");
      });
  s.only_where(
      "model.rope.scaling is llama3", [&rope] { return rope.kind == Kind::llama3; },
      [&rope](config::Section& keys) {
        keys.number("low", rope.low)
            .above(0)
            .doc("Pairs that turn less often than this in the original context are scaled whole.");
        keys.number("high", rope.high)
            .above(0)
            .doc("Pairs that turn more often than this in the original context are not scaled.");
        keys.integer("original_context", rope.original)
            .at_least(1)
            .unit("tokens")
            .doc("The context that the model was first trained with.");
        keys.rule({"low", "high"}, [&rope]() -> std::string {
          if (rope.kind != Kind::llama3 || rope.low < rope.high) return "";
          return fmt::format("low is {} and high {}: high has to be the larger one", rope.low, rope.high);
        });
      });
}

}  // namespace

std::int64_t GptConfig::feed_forward_width() const {
  if (feed_forward) return *feed_forward;
  if (!is_llama()) return 4 * dim;
  return (8 * dim / 3 + kRounding - 1) / kRounding * kRounding;
}

void GptConfig::describe(config::Section& s) {
  s.choice("parts", parts, {{"gpt2", GptParts::gpt2}, {"llama", GptParts::llama}})
      .doc(
          "What it is made of. gpt2: learned positions, LayerNorm, GELU, biases. llama: rotary positions, "
          "RMSNorm, SwiGLU, no biases.");
  s.integer("vocabulary", vocabulary)
      .at_least(2)
      .at_most(std::int64_t{1} << 24)
      .unit("tokens")
      .doc("Different tokens: 257 for bytes, 50257 for GPT-2's. A token file with another id is refused.");
  s.integer_or_auto("context", context)
      .at_least(1)
      .at_most(1 << 24)
      .doc("Tokens that it can see at once, at least data.context. auto: as many as data.context.");
  s.integer("layers", layers).at_least(1).at_most(4096).doc("Blocks of attention and feed-forward.");
  s.integer("heads", heads).at_least(1).at_most(65536).doc("Attention heads of a block.");
  s.integer_or_auto("key_heads", key_heads)
      .at_least(1)
      .doc(
          "Heads of keys and values, each shared by heads / key_heads of the others (grouped-query "
          "attention). auto: as many as heads.");
  s.integer("dim", dim).at_least(2).at_most(1 << 20).doc("Numbers of a token's vector; all heads together.");
  s.integer_or_auto("feed_forward", feed_forward)
      .at_least(1)
      .doc(
          "Width of the feed-forward part. auto: 4 dim in gpt2; in llama 8/3 dim, rounded up to a multiple "
          "of 256.");
  s.flag("tied", tied).doc("The head shares the weights of the token embedding.");
  s.text("weights", weights)
      .doc(
          "Folder of weights that training starts from, as `transformers` and `ebb export` write it. Empty: "
          "the weights are drawn by run.seed. `ebb import` writes a configuration for a folder.")
      .free_to_change();
  s.integer_or_auto("document_end", document_end)
      .at_least(0)
      .doc(
          "The token that ends a document (256 for bytes, 50256 for GPT-2's): with it a token sees its own "
          "document alone, and that token begins the next. auto: a token sees all of the window before it.");
  s.number("z_loss", z_loss)
      .at_least(0)
      .doc(
          "Weight of the square of the logarithm of the softmax's denominator, which is added to the "
          "training "
          "loss to keep logits near 0 (PaLM: 1e-4). The test loss is without it.");
  s.number("norm_eps", norm_eps).above(0).doc("Added to the variance in the norms.");
  s.only_where(
      "model.parts is llama", [this] { return is_llama(); },
      [this](config::Section& keys) {
        describe_rope(keys.child("rope", "Rotary positions."), rope_theta, rope);
      });
  s.rule({"dim", "heads"}, [this]() -> std::string {
    if (dim % heads != 0)
      return fmt::format("{} numbers cannot be shared by {} heads: set dim to a multiple of heads", dim,
                         heads);
    if (head_width() > kWidestHead)
      return fmt::format("a head would be {} wide, and at most {} is: take more heads", head_width(),
                         kWidestHead);
    if (is_llama() && head_width() % 2 != 0)
      return fmt::format("a head would be {} wide, and rotary positions turn pairs: it has to be even",
                         head_width());
    return "";
  });
  s.rule({"document_end", "vocabulary"}, [this]() -> std::string {
    if (!document_end || *document_end < vocabulary) return "";
    return fmt::format("token {} is not among the {} of the vocabulary, and would end no document",
                       *document_end, vocabulary);
  });
  s.rule({"heads", "key_heads"}, [this]() -> std::string {
    const std::int64_t keys = key_heads.value_or(heads);
    if (heads % keys == 0) return "";
    return fmt::format("{} heads cannot share {} of keys equally: set key_heads to a divisor of heads", heads,
                       keys);
  });
}

}  // namespace ebb::models
