// SPDX-License-Identifier: Apache-2.0
#include "data/tokens/inspect.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "base/units.h"
#include "data/tokens/token_file.h"

namespace ebb::data {

std::string inspect_tokens(const std::filesystem::path& path) {
  constexpr std::int64_t kLooked = 1'000'000, kShown = 16;
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored))
    throw Error(
        ExitCode::data,
        fmt::format("{} is a folder of token files: give one of them, such as train.bin", path.string()));
  const TokenFile file(path);
  std::string text = fmt::format("{}\n", path.string());
  text += fmt::format("format       {}, {} byte{} per token\n", name(file.format()), file.token_bytes(),
                      file.token_bytes() == 1 ? "" : "s");
  text += fmt::format("tokens       {}, {}\n", file.size(), format_bytes(file.size() * file.token_bytes()));
  if (file.documents() > 0) text += fmt::format("documents    {}\n", file.documents());
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(std::min(file.size(), kLooked)));
  if (tokens.empty()) return text;
  file.read(0, tokens);
  const auto [least, most] = std::minmax_element(tokens.begin(), tokens.end());
  text += fmt::format("ids          {} to {} {}\n", *least, *most,
                      file.size() > kLooked ? fmt::format("in the first {}", kLooked) : "in all");
  const auto shown = static_cast<std::ptrdiff_t>(std::min(file.size(), kShown));
  text += fmt::format("first        {}\n", fmt::join(tokens.begin(), tokens.begin() + shown, " "));
  return text;
}

}  // namespace ebb::data
