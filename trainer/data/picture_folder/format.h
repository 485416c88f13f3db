// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "data/format.h"

namespace ebb::data {

// Folders of pictures, with the classes as subfolders.
Format picture_folder_format();

}  // namespace ebb::data
