// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/zip/zip_file.h"

namespace ebb::data {

inline constexpr const char* kZipLabels = "dataset.json";

// How the pictures of a zip archive get their labels.
enum class ZipLabelSource { none, list, folders };

// list: it has a dataset.json with labels (StyleGAN, EDM). none: the labels of its dataset.json are null, or
// it has none and a picture lies in no folder. folders: each picture lies in the folder of its class.
// Error(data) for a dataset.json that is no such file.
ZipLabelSource zip_label_source(const ZipFile& zip, std::span<const std::int64_t> pictures);

// The names of the folders of the pictures, in bytewise order.
std::vector<std::string> zip_folders(const ZipFile& zip, std::span<const std::int64_t> pictures);

// The label of each of `pictures`, which are indices of entries. Those of dataset.json are numbers, 0 or
// more. A folder has its index in `folders`, which are those of the training split. Error(data) names the
// archive and the fault: a picture without a label or with two, a label of a picture that is not there, a
// label that is no such number. Reading dataset.json takes up to 1 KiB of memory for each label, until it
// returns.
std::vector<std::int64_t> zip_labels(const ZipFile& zip, std::span<const std::int64_t> pictures,
                                     const std::vector<std::string>& folders);

}  // namespace ebb::data
