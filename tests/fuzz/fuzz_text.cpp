// SPDX-License-Identifier: Apache-2.0
// Files of text: one byte chooses the name of the file, so gzip, Zstandard, UTF-16 and JSON lines are read
// too.
#include "data/text_source.h"
#include "fuzz/input.h"

namespace ebb::fuzz {
namespace {

constexpr std::size_t kMost = std::size_t{64} << 20;  // of an unpacked file

void read(const data::TextInputs& inputs) {
  std::size_t bytes = 0;
  data::TextSink sink{[&](std::string_view text) {
                        bytes += text.size();
                        if (bytes > kMost) throw Error(ExitCode::data, "too large for a fuzzer");
                      },
                      [] {}};
  const std::int64_t skipped = data::read_texts(inputs, sink);
  require(skipped == 0 || inputs.skip_bad_lines);
  data::TextLines lines(inputs);
  std::size_t of_lines = 0;
  for (std::string line; lines.next(line);) {
    require(line.find('\n') == std::string::npos);
    of_lines += line.size();
  }
  require(of_lines <= bytes);
  require(lines.skipped() == skipped);
}

}  // namespace
}  // namespace ebb::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ebb;
  static const fuzz::InputFolder folder;
  if (size == 0) return 0;
  const std::string name = data[0] % 2 == 0 ? "input.txt" : "input.jsonl";
  folder.put(name, fuzz::text(data + 1, size - 1));
  fuzz::refused_or_read(ExitCode::data,
                        [&] { fuzz::read({{folder.path() / name}, "text", data[0] % 4 == 3}); });
  return 0;
}
