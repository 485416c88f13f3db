// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "data/pictures/bytes.h"

namespace ebb::data {

// The orientation, 1 to 8, in EXIF data (a TIFF header and its first directory; CIPA DC-008). `exif` may
// begin with "Exif\0\0". 1, as stored, if there is none or if the data is damaged: other readers show the
// picture.
int exif_orientation(PictureBytes exif);

}  // namespace ebb::data
