// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "data/progress.h"

// What `ebb data pack` needs of a format. Nothing here needs LibTorch.
namespace ebb::data {

struct Format;
using Formats = std::vector<Format>;

// The arguments of `ebb data pack`, which all packers share. Empty or 0 is an option that was not given.
struct PackRequest {
  std::vector<std::filesystem::path> inputs;  // at least one
  std::filesystem::path out;                  // a folder or a file, as the format has it
  std::filesystem::path labels;
  std::string tokenizer;            // a name of tokenizer.h
  std::string key = "text";         // of documents in JSON lines
  bool skip_bad_lines = false;      // of JSON
  double test_share = 0;            // in [0, 0.9]
  std::int64_t size = 0;            // pixels of each side of a picture
  bool crop = false;                // pictures to their middle square
  std::int64_t channels = 0;        // of a picture
  std::string layout;               // a word of data.layout, for arrays
  std::int64_t pad = 0;             // pixels
  std::string shard_size = "8MiB";  // as parse_bytes() reads it; not checked yet
  std::string compression = "none";
};

// Makes datasets of one format.
struct Packer {
  // Phrases of the help, without a full stop.
  std::string output;  // what it makes: "MDS shards of images"
  std::string input;   // the files that it reads
  std::string option;  // the option that selects it; empty: none is needed
  std::string unit;    // what its progress counts, in the plural

  // Whether the request is for this packer. Null: it gets what no other packer accepts.
  std::function<bool(const PackRequest&)> accepts;
  // Packs, and returns a summary of a line or two. `formats` are those that inputs may have. Error(usage) for
  // options that do not fit together, Error(data) for damaged inputs, Error(storage) if the disk is full.
  std::function<std::string(const PackRequest&, const Formats& formats, const Progress&)> pack;
};

}  // namespace ebb::data
