// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace ebb {

// The version of this build, such as "0.2.0". A static string.
const char* version();

}  // namespace ebb
