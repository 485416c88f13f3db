// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

namespace ebb::telemetry {

// Returns the UUID of CUDA device `device` of this process, as nvidia-smi and DCGM print it
// ("GPU-0a1b2c3d-..."). Empty if no CUDA driver is loaded or it does not report a UUID. Call it after the
// first use of a device.
std::string gpu_uuid(int device);

}  // namespace ebb::telemetry
