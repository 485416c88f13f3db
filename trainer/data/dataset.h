#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "core/sample.h"

namespace ebb::data {

// Memory for one sample: a span for each field, in the order of SampleSpec::fields, each FieldSpec::bytes()
// long.
using SampleBytes = std::span<const std::span<std::byte>>;

// Samples by index. One thread at a time uses it. The loader owns the one that it reads.
class Dataset {
 public:
  virtual ~Dataset() = default;
  [[nodiscard]] virtual std::int64_t size() const = 0;
  [[nodiscard]] virtual const core::SampleSpec& spec() const = 0;  // the same for every sample
  // Writes sample `index` into `out`. Error(data) names file, sample, offset and what is wrong.
  // Error(internal) for an index that is not there, or spans of other lengths.
  virtual void read(std::int64_t index, SampleBytes out) = 0;
};

// Error(internal) unless `index` is in [0, size) and `out` fits the spec. `what` names the dataset.
void require_readable(const std::string& what, std::int64_t index, std::int64_t size,
                      const core::SampleSpec& spec, SampleBytes out);

struct MdsOptions {
  // What unpacked shards may take (class data, owner "shard cache"), all of it allocated by open_mds; one
  // shard is always kept. Nothing is taken where no shard is compressed. A shuffled run over a compressed
  // dataset larger than this unpacks a shard nearly for every sample: pack without compression, or make it
  // larger.
  std::int64_t cache_bytes = std::int64_t{256} << 20;
};

// The images of an MDS folder (index.json and shards, raw or zstd): its column "image", an ndarray of uint8
// with the shape C,H,W or H,W. At the start it checks the index and that every shard is there with its
// length; when a shard is first opened, its hashes and its offsets (it is read whole then, once in the life
// of the object); at every read, that sample's bounds. Memory beside the cache: the index; at most 64 files
// are open.
std::unique_ptr<Dataset> open_mds(const std::filesystem::path& folder, const MdsOptions& options = {});

}  // namespace ebb::data
