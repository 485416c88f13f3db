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
      : index_(read_mds_index(folder)), column_(find_image_column(index_)), checked_(index_.shards.size()) {
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
  [[nodiscard]] core::SampleShape shape() const override { return column_.shape; }

  void read(std::int64_t index, std::span<std::byte> out) override {
    if (index < 0 || index >= index_.samples ||
        static_cast<std::int64_t>(out.size()) != column_.shape.bytes()) {
      throw Error(ExitCode::internal, fmt::format("sample {} of {} asked for with room for {} bytes", index,
                                                  index_.samples, out.size()));
    }
    const std::size_t number = index_.shard_of(index);
    const MdsShard& shard = open(number);
    const auto extent = shard.find(index - index_.shards[number].first, column_.index);
    shard.read_at(extent.begin, out);
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
  std::vector<bool> checked_, packed_;
  std::vector<Room> rooms_, files_;  // for compressed shards, for raw ones
  std::uint64_t clock_ = 0;
};

}  // namespace

std::unique_ptr<Dataset> open_mds(const std::filesystem::path& folder, const MdsOptions& options) {
  return std::make_unique<MdsDataset>(folder, options);
}

}  // namespace ebb::data
