// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/verify.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/digest.h"
#include "base/file.h"
#include "memory/buffer.h"

namespace ebb::checkpoint {
namespace {

constexpr std::int64_t kVerifyBytes = 4 << 20;

[[noreturn]] void damaged(const std::filesystem::path& folder, const std::string& why) {
  throw Error(ExitCode::checkpoint, fmt::format("{}: {}", folder.string(), why));
}

}  // namespace

void verify_files(const std::filesystem::path& folder, const Manifest& manifest) {
  memory::Buffer buffer(kVerifyBytes, memory::Class::checkpoint, "checkpoint verification");
  for (const auto& listed : manifest.files) {
    const auto path = folder / listed.name;
    if (!std::filesystem::exists(path)) damaged(folder, fmt::format("{} is missing", listed.name));
    const ReadFile file(path, ExitCode::checkpoint);
    if (file.size() != listed.bytes) {
      damaged(folder, fmt::format("{} has {} bytes instead of {}", listed.name, file.size(), listed.bytes));
    }
    Digest digest;
    for (std::int64_t at = 0; at < file.size(); at += kVerifyBytes) {
      const auto chunk =
          buffer.bytes().first(static_cast<std::size_t>(std::min(kVerifyBytes, file.size() - at)));
      file.read_at(at, chunk);
      digest.add(chunk);
    }
    if (digest.hex() != listed.xxh3) {
      damaged(folder, fmt::format("{} is damaged: its XXH3 is {} instead of {}", listed.name, digest.hex(),
                                  listed.xxh3));
    }
  }
}

}  // namespace ebb::checkpoint
