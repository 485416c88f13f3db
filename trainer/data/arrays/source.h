// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <optional>
#include <string>

#include "data/arrays/array_file.h"

namespace ebb::data {

struct SplitArrays {
  StoredArray images;
  std::optional<StoredArray> labels;
};

// The arrays of data.source. Names of arrays decide, in any case of letters:
//   images:  images, image, x, or arr_0
//   labels:  labels, label, y, or arr_1
//   with splits:  x_train, x_test, train_images, test_images, ... (a name above, without arr_0 and arr_1,
//   after or before train or test), and train and test alone for images
// A source with splits has both of them in one file or folder of .npy files. Or it is a folder with the
// folders train and test, or with the files train and test of .npz or .safetensors; their arrays have names
// without a split. Other arrays are ignored.

// Whether the source has the splits train and test. Error(data) if it has one of them only.
bool has_array_splits(const std::filesystem::path& source);
// The arrays of a split of such a source; of a source without splits if `split` is empty. Error(data) if
// there are no images, or several arrays of one meaning, with the names of all arrays.
SplitArrays find_arrays(const std::filesystem::path& source, const std::string& split);

// What the name of an array means in a file with or without splits: "images of train", "labels"; empty:
// nothing.
std::string meaning_of(const std::string& name);

}  // namespace ebb::data
