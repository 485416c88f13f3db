#pragma once
#include <string>

namespace ebb::telemetry {

// "GPU-0a1b2c3d-..." as nvidia-smi and DCGM name the GPU that is `device` to this process; empty where the
// driver does not tell. To be called once a device is in use.
std::string gpu_uuid(int device);

}  // namespace ebb::telemetry
