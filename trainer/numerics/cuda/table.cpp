#include "numerics/cuda/table.h"

#include "numerics/cuda/launch.h"

extern "C" const ebb::numerics::CudaTable* ebb_cuda_numerics() {
  namespace device = ebb::numerics::device;
  static const ebb::numerics::CudaTable table{
      device::adamw,       device::split,          device::join,
      device::stats,       device::bernoulli,      device::bernoulli_gradient,
      device::kl,          device::kl_gradient,    device::unit_range,
      device::normal_rows, device::reparameterize, device::reparameterize_gradient};
  return &table;
}
