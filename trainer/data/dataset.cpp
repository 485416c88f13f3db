#include "data/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "data/mds_image.h"
#include "data/mds_index.h"
#include "data/mds_reader.h"
#include "memory/buffer.h"

namespace ebb::data {
namespace {

constexpr std::size_t kOpenFiles = 64;

class MdsDataset final : public Dataset {
 public:
  MdsDataset(const std::filesystem::path& folder, const MdsOptions& options)
      : index_(read_mds_index(folder)),
        column_(find_image_column(index_)),
        spec_{{column_.field}},
        checked_(index_.shards.size()) {
    check_shard_files(index_);
    std::int64_t largest = 0;
    std::int64_t compressed = 0;
    for (std::size_t i = 0; i < index_.shards.size(); ++i) {
      packed_.push_back(index_.reads_packed(i));
      if (!packed_.back()) continue;
      ++compressed;
      largest = std::max(largest, index_.shards[i].raw.bytes);
    }
    if (compressed == 0) return;
    const std::int64_t rooms = std::clamp<std::int64_t>(options.cache_bytes / largest, 1, compressed);
    for (std::int64_t i = 0; i < rooms; ++i) {
      rooms_.push_back(
          {memory::Buffer(static_cast<std::size_t>(largest), memory::Class::data, "shard cache"), {}, 0});
    }
  }

  [[nodiscard]] std::int64_t size() const override { return index_.samples; }
  [[nodiscard]] const core::SampleSpec& spec() const override { return spec_; }

  void read(std::int64_t index, SampleBytes out) override {
    require_readable(index_.folder.string(), index, index_.samples, spec_, out);
    const std::size_t number = index_.shard_of(index);
    const MdsShard& shard = open(number);
    const auto extent = shard.find(index - index_.shards[number].first, column_.index);
    shard.read_at(extent.begin, out[0]);
  }

 private:
  // An open shard, and for an unpacked one the memory that it lies in.
  struct Room {
    memory::Buffer bytes;
    std::optional<MdsShard> shard;
    std::uint64_t used = 0;
  };

  const MdsShard& open(std::size_t number) {
    std::vector<Room>& rooms = packed_[number] ? rooms_ : files_;
    Room* room = nullptr;
    for (Room& r : rooms) {
      if (r.shard && r.shard->number() == number) {
        r.used = ++clock_;
        return *r.shard;
      }
      if (room == nullptr || r.used < room->used) room = &r;
    }
    if (!packed_[number] && files_.size() < kOpenFiles) room = &files_.emplace_back();
    // Nothing is open under this room until all checks have passed.
    room->shard.reset();
    room->used = 0;
    const bool first = !checked_[number];
    if (packed_[number]) {
      const auto bytes = room->bytes.bytes().first(static_cast<std::size_t>(index_.shards[number].raw.bytes));
      unpack_shard(index_, number, bytes, first);
      admit(*room, MdsShard(index_, number, bytes), first);
    } else {
      ReadFile file(index_.raw_path(number), ExitCode::data);
      if (first) check_hashes(index_.raw_path(number), file, index_.shards[number].raw);
      admit(*room, MdsShard(index_, number, std::move(file)), first);
    }
    checked_[number] = true;
    return *room->shard;
  }

  void admit(Room& room, MdsShard shard, bool first) {
    if (first) shard.check_offsets();
    room.shard.emplace(std::move(shard));
    room.used = ++clock_;
  }

  MdsIndex index_;
  ImageColumn column_;
  core::SampleSpec spec_;
  std::vector<bool> checked_, packed_;
  std::vector<Room> rooms_, files_;  // for compressed shards, for raw ones
  std::uint64_t clock_ = 0;
};

}  // namespace

void require_readable(const std::string& what, std::int64_t index, std::int64_t size,
                      const core::SampleSpec& spec, SampleBytes out) {
  if (index < 0 || index >= size)
    throw Error(ExitCode::internal, fmt::format("{} has no sample {}, only {}", what, index, size));
  bool fits = out.size() == spec.fields.size();
  for (std::size_t i = 0; fits && i < out.size(); ++i) fits = std::ssize(out[i]) == spec.fields[i].bytes();
  if (!fits)
    throw Error(
        ExitCode::internal,
        fmt::format("{}: sample {} was asked for with memory that does not fit its fields", what, index));
}

std::unique_ptr<Dataset> open_mds(const std::filesystem::path& folder, const MdsOptions& options) {
  return std::make_unique<MdsDataset>(folder, options);
}

}  // namespace ebb::data
