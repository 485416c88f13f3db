// SPDX-License-Identifier: Apache-2.0
// A shard of WebDataset: "a.idx\0a.tar". Without the first part there is no index of DALI. Every member that
// the reader gives must lie in the archive and be readable at its offset.
#include <vector>

#include "data/tar/reader.h"
#include "data/webdataset/index.h"
#include "fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ebb;
  static const fuzz::InputFolder folder;
  const std::string_view input = fuzz::text(data, size);
  const auto zero = input.find('\0');
  const std::string_view dali = input.substr(0, zero);
  const std::filesystem::path path = folder.path() / "a.tar";
  folder.put("a.tar", zero == std::string_view::npos ? "" : input.substr(zero + 1));
  std::filesystem::remove(folder.path() / "a.idx");
  std::vector<std::byte> buffer;
  fuzz::refused_or_read(ExitCode::data, [&] {
    data::TarReader reader(path);
    while (const auto member = reader.next()) {
      const std::int64_t bytes = reader.file().size();
      fuzz::require(member->offset >= data::kTarBlock && member->size >= 0 && member->offset <= bytes &&
                    member->size <= bytes - member->offset);
      if (member->type != '0') continue;
      const auto contents = data::read_tar_member(reader.file(), path, member->offset, member->size, buffer);
      fuzz::require(std::ssize(contents) == member->size);
    }
  });
  if (!dali.empty()) folder.put("a.idx", dali);
  for (const bool labels : {false, true})
    fuzz::refused_or_read(ExitCode::data, [&] {
      const data::TarIndex index({path}, labels, std::nullopt, data::allocate_on_heap);
      fuzz::require(index.size() > 0 && index.bytes() == index.size() * (labels ? 20 : 12));
      const ReadFile file(path, ExitCode::data);
      for (std::int64_t i = 0; i < index.size(); ++i) {
        const auto entry = index.at(i);
        fuzz::refused_or_read(ExitCode::data, [&] {
          (void)data::read_tar_member(file, path, entry.offset, entry.size, buffer);
        });
      }
    });
  return 0;
}
