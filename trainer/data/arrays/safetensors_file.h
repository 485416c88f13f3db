// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <memory>

#include "data/arrays/array_file.h"

namespace ebb::data {

// The tensors of a .safetensors file as arrays. Error(data) as of read_safetensors_header().
std::unique_ptr<ArrayFile> open_safetensors_arrays(const std::filesystem::path& path);

}  // namespace ebb::data
