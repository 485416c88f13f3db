// SPDX-License-Identifier: Apache-2.0
#include "train/environment.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "comm/affinity.h"
#include "comm/run_on_all_ranks.h"
#include "memory/cuda_device.h"
#include "memory/cuda_library.h"
#include "numerics/instruction_set.h"

namespace ebb::train {

namespace {

// Call it before the first thread of a pool starts, which inherits the binding.
void choose_threads(const parallel::ParallelConfig& parallel, Environment& environment) {
  const comm::CpuShare share = comm::cpu_share(environment.world, parallel.timeout_s);
  const std::int64_t threads = parallel.threads > 0 ? parallel.threads : share.threads;
  const auto cores = std::ssize(share.cores);
  if (parallel.pin && cores > 0 && threads <= cores && comm::bind_to_cores(share.cores))
    environment.bound_cores = cores;
  at::set_num_threads(static_cast<int>(threads));
  environment.threads = threads;
  environment.cpu_quota = share.quota;
  environment.threads_note = comm::binding_warning(threads);
  if (environment.threads_note.empty()) environment.threads_note = comm::quota_warning(share, threads);
}

}  // namespace

void choose_kernels(const std::string& isa) {
  if (const auto set = numerics::find_instruction_set(isa)) numerics::use_instruction_set(*set);
}

at::Device choose_device(DeviceKind kind, bool share, const comm::World& world, double timeout_s,
                         std::string& note) {
  const bool open = memory::CudaLibrary::is_open();
  if (kind == DeviceKind::cuda && !open) {
    std::string why;
    memory::CudaLibrary::device_present(&why);
    throw Error(
        ExitCode::usage,
        fmt::format(
            "run.device=cuda, but no GPU can be used here: {}. Set run.device=cpu to train on the CPU.",
            why));
  }
  if (kind == DeviceKind::cpu) return at::kCPU;
  const int devices = open ? memory::device_count() : 0;
  const int device = share && devices > 0 ? world.local_rank() % devices : world.local_rank();
  if (kind == DeviceKind::automatic) {
    if (world.max_of_all(device < devices ? 0 : 1, timeout_s) > 0) {
      if (world.max_of_all(devices, timeout_s) > 0)
        note = fmt::format(
            "there is not a GPU for each rank ({} has {} for {} ranks), so all train on the CPU; start "
            "one rank per GPU to use them",
            world.host(), devices, world.local_size());
      return at::kCPU;
    }
  }
  if (device >= devices)
    throw Error(
        ExitCode::usage,
        fmt::format(
            "{} has {} GPUs, but {} ranks were started on it: start one rank per GPU, or set run.device=cpu",
            world.host(), devices, world.local_size()));
  memory::use_device(device);
  return {at::kCUDA, static_cast<c10::DeviceIndex>(device)};
}

Environment open_environment(const Config& config, comm::World& world, memory::Ledger& ledger,
                             memory::BlockCache& cache) {
  Environment environment{.world = world, .ledger = ledger, .cache = cache};
  environment.device = choose_device(config.run.device, config.run.share_gpus, world,
                                     config.parallel.timeout_s, environment.device_note);
  comm::run_on_all_ranks(world, config.parallel.timeout_s, [&] { choose_kernels(config.run.isa); });
  choose_threads(config.parallel, environment);
  environment.communicator =
      comm::make_communicator(world, config.parallel.backend, config.parallel.timeout_s, environment.device);
  return environment;
}

}  // namespace ebb::train
