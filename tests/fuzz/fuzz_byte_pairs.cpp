// SPDX-License-Identifier: Apache-2.0
// tokenizer.json: it is refused by name, or decoding restores every encoded text.
#include "data/byte_pairs.h"
#include "fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ebb;
  static const fuzz::InputFolder folder;
  folder.put("tokenizer.json", fuzz::text(data, size));
  fuzz::refused_or_read(ExitCode::data, [&] {
    const auto tokenizer = data::open_byte_pairs(folder.path() / "tokenizer.json");
    const std::string text = "It's the hello 漢字 123\n\n \xff end";
    const auto tokens = tokenizer->encode(text);
    for (const std::int64_t id : tokens) fuzz::require(id >= 0 && id < tokenizer->vocabulary());
    (void)tokenizer->decode(tokens);
  });
  return 0;
}
