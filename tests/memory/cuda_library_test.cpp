// SPDX-License-Identifier: Apache-2.0
// In its own process, which has not used ATen: the library has an effect only when it is opened first.
#include "memory/cuda_library.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "base/error.h"
#include "memory/cuda_device.h"

namespace ebb::memory {
namespace {

bool driver_is_there() {
  void* const driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  return driver != nullptr;
}

// One test, since its steps need this order in one process.
TEST(CudaLibrary, OpensBeforeAtenAndRegistersCudasHooks) {
  EXPECT_FALSE(CudaLibrary::is_open());
  EXPECT_EQ(cuda_memory(), nullptr);
  EXPECT_THROW(CudaLibrary::symbol("ebb_cuda_memory"), Error);

  CudaLibrary::open();
  ASSERT_TRUE(CudaLibrary::is_open());
  EXPECT_STREQ(std::getenv("CUDA_MODULE_LOADING"), "LAZY");
  EXPECT_NO_THROW(CudaLibrary::open());  // a second call has no effect

  for (const char* table : {"ebb_cuda_memory", "ebb_cuda_numerics", "ebb_cuda_comm"}) {
    EXPECT_NE(CudaLibrary::symbol(table), nullptr) << table;
  }
  EXPECT_THROW(CudaLibrary::symbol("ebb_cuda_nothing"), Error);

  // These are the hooks of torch_cuda, which may find no driver. A process that used ATen before would still
  // have the hooks without CUDA.
  bool hooks_are_cudas = false;
  try {
    hooks_are_cudas = at::detail::getCUDAHooks().hasCUDART();
  } catch (const c10::Error& error) {
    hooks_are_cudas = std::string(error.what()).find("cudaErrorInsufficientDriver") != std::string::npos;
  }
  EXPECT_TRUE(hooks_are_cudas);

  // The CPU works as before.
  EXPECT_EQ(at::ones({3}).sum().item<float>(), 3.0F);
}

TEST(CudaLibrary, WithoutADriverSaysSoAndFailsByName) {
  if (driver_is_there())
    GTEST_SKIP() << "this machine has an NVIDIA driver, so the case without one is not tested";
  std::string why_not;
  EXPECT_FALSE(CudaLibrary::device_present(&why_not));
  EXPECT_NE(why_not.find("libcuda.so.1"), std::string::npos) << why_not;

  CudaLibrary::open();
  int count = -1;
  const int error = cuda_memory()->device_count(&count);
  EXPECT_STREQ(cuda_memory()->error_name(error), "cudaErrorInsufficientDriver");
  EXPECT_FALSE(at::hasCUDA());
  try {
    (void)device_count();
    FAIL() << "counted devices without a driver";
  } catch (const Error& failure) {
    EXPECT_EQ(failure.code(), ExitCode::usage);
    EXPECT_NE(std::string(failure.what()).find("cudaErrorInsufficientDriver"), std::string::npos)
        << failure.what();
  }
}

}  // namespace
}  // namespace ebb::memory
