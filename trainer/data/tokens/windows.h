// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>

#include "data/dataset.h"
#include "data/tokens/token_file.h"

namespace ebb::data {

struct WindowOptions {
  std::int64_t tokens = 0;                // T
  std::int64_t vocabulary = 0;            // a read refuses ids at or beyond it; 0: no limit
  std::optional<TokenFileFormat> format;  // see TokenFile
};

// Windows of T + 1 tokens, field tokens, from the token files of one split: SPLIT.bin, or each .bin in the
// folder SPLIT, by name. Window i of a file begins at its token i * T, so every token but the first is
// predicted once. The incomplete window at the end of a file is not read. Error(data) if there is no such
// file, or none that holds a window.
std::unique_ptr<Dataset> open_windows(const std::filesystem::path& split, const WindowOptions& options);

}  // namespace ebb::data
