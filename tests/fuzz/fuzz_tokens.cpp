// SPDX-License-Identifier: Apache-2.0
// Token files: two bytes give the length of a Megatron index (0: llm.c by its header), then the index and the
// data.
#include <vector>

#include "data/tokens/token_file.h"
#include "fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ebb;
  static const fuzz::InputFolder folder;
  if (size < 2) return 0;
  const std::string_view rest = fuzz::text(data + 2, size - 2);
  const std::size_t index = std::min<std::size_t>(data[0] + 256 * data[1], rest.size());
  if (index > 0) folder.put("t.idx", rest.substr(0, index));
  folder.put("t.bin", rest.substr(index));
  fuzz::refused_or_read(ExitCode::data, [&] {
    const data::TokenFile file(folder.path() / "t.bin",
                               index > 0 ? data::TokenFileFormat::megatron : data::TokenFileFormat::llmc);
    std::vector<std::int32_t> tokens(static_cast<std::size_t>(file.size()));
    file.read(0, tokens);
    for (const std::int32_t id : tokens) fuzz::require(id >= 0);
  });
  return 0;
}
