#pragma once
#include <ATen/ATen.h>

#include "numerics/cuda/table.h"

namespace ebb::numerics {

// The table of the CUDA library, which main has opened if there is a device.
const CudaTable& cuda_table();
// cudaStream_t that the framework uses now on the tensor's device.
void* cuda_stream(const at::Tensor& tensor);
// Space for the partial sums of a reduction.
at::Tensor cuda_partials(const at::Tensor& like);

}  // namespace ebb::numerics
