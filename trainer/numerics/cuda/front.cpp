#include "numerics/cuda/front.h"

#include <c10/core/impl/VirtualGuardImpl.h>

#include "memory/cuda_library.h"
#include "memory/ledger.h"

namespace ebb::numerics {

const CudaTable& cuda_table() {
  using Get = const CudaTable* (*)();
  static const CudaTable* const table =
      reinterpret_cast<Get>(memory::CudaLibrary::symbol("ebb_cuda_numerics"))();
  return *table;
}

void* cuda_stream(const at::Tensor& tensor) {
  return c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA).getStream(tensor.device()).native_handle();
}

at::Tensor cuda_partials(const at::Tensor& like) {
  const memory::Tag tag(memory::Class::workspace, "numerics.partials");
  return at::empty({kCudaPartials},
                   like.options().dtype(at::kDouble).memory_format(at::MemoryFormat::Contiguous));
}

}  // namespace ebb::numerics
