// SPDX-License-Identifier: Apache-2.0
// A checkpoint's manifest, with a DONE that agrees with it, since the hash alone would refuse nearly all.
#include "base/digest.h"
#include "checkpoint/manifest.h"
#include "checkpoint/verify.h"
#include "fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ebb;
  static const fuzz::InputFolder folder;
  const std::string_view text = fuzz::text(data, size);
  folder.put("manifest.json", text);
  folder.put("DONE", "manifest.json xxh3 " + digest_hex(text) + "\n");
  fuzz::refused_or_read(ExitCode::checkpoint, [] {
    const checkpoint::Manifest manifest = checkpoint::read_manifest(folder.path());
    for (const auto& file : manifest.files) fuzz::require(file.name.find('/') == std::string::npos);
    for (const auto& [name, tensor] : manifest.tensors) fuzz::require(!tensor.file.empty());
    checkpoint::verify_files(folder.path(), manifest);
  });
  return 0;
}
