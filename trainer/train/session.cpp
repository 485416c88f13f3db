#include "train/session.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/units.h"
#include "comm/affinity.h"
#include "data/open.h"
#include "memory/cgroup.h"
#include "memory/cuda_device.h"
#include "memory/cuda_library.h"
#include "memory/kills.h"
#include "numerics/matrix_rate.h"
#include "train/weights.h"

namespace ebb::train {

namespace {

// Before the first thread of a pool is started: it inherits the binding.
std::int64_t choose_threads(const parallel::ParallelConfig& parallel, const comm::World& world,
                            std::int64_t& pinned) {
  const comm::Share share = comm::share_of_host(world, parallel.timeout_s);
  const std::int64_t threads = parallel.threads > 0 ? parallel.threads : share.threads;
  const auto cores = std::ssize(share.cores);
  if (parallel.pin && cores > 0 && threads <= cores && comm::bind_to(share.cores)) pinned = cores;
  at::set_num_threads(static_cast<int>(threads));
  return threads;
}

data::LoaderPlan loader_plan(const Config& config, const comm::World& world) {
  data::LoaderPlan plan;
  plan.global_batch = config.data.batch;
  plan.micro_batches = config.data.micro_batches;
  plan.rank = world.rank();
  plan.ranks = world.size();
  plan.seed = static_cast<std::uint64_t>(config.run.seed);
  plan.shuffle = config.data.shuffle;
  plan.prefetch = config.data.prefetch;
  return plan;
}

std::unique_ptr<data::Dataset> open_split(const Config& config, const char* name) {
  return data::open(config.data, name, config.model.family().reads, config.model.chosen().vocabulary());
}

numerics::LossScaler make_scaler(const numerics::PrecisionConfig& precision) {
  return precision.dtype == numerics::Dtype::fp16 ? numerics::LossScaler(precision.loss_scale)
                                                  : numerics::LossScaler::fixed();
}

}  // namespace

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
            "one rank a GPU to use them",
            world.host(), devices, world.local_size());
      return at::kCPU;
    }
  }
  if (device >= devices)
    throw Error(
        ExitCode::usage,
        fmt::format(
            "{} has {} GPUs, but {} ranks were started on it: start one rank a GPU, or set run.device=cpu",
            world.host(), devices, world.local_size()));
  memory::use_device(device);
  return {at::kCUDA, static_cast<c10::DeviceIndex>(device)};
}

Session::Session(const Config& configuration, comm::World& all, memory::Ledger& account,
                 core::UnitRunner& unit_runner)
    : config(configuration),
      world(all),
      ledger(account),
      device(choose_device(config.run.device, config.run.share_gpus, world, config.parallel.timeout_s,
                           device_note)),
      threads(choose_threads(config.parallel, world, pinned)),
      communicator(
          comm::make_communicator(world, config.parallel.backend, config.parallel.timeout_s, device)),
      model(models::make_model(config.model, open_split("train")->spec(), config.precision.dtype, device,
                               static_cast<std::uint64_t>(config.run.seed))),
      parameters(models::all_parameters(*model)),
      optimizer(std::make_unique<optim::Optimizer>(config.optimizer, parameters)),
      scaler(make_scaler(config.precision)),
      reducer(std::make_unique<parallel::GradientReducer>(
          parameters, *communicator, config.parallel.bucket_bytes, config.data.micro_batches)),
      runner(unit_runner),
      scaler_state(scaler),
      cursor(config.run.seed, config.data.batch),
      feed(device) {}

void Session::begin(checkpoint::Store& store, const std::optional<checkpoint::Found>& found,
                    const checkpoint::Origin& origin) {
  if (found) {
    store.load(*found, parts(), origin);
  } else {
    set_initial_values();
  }
  data::LoaderPlan plan = loader_plan(config, world);
  plan.pinned = device.is_cuda();
  loader = std::make_unique<data::Loader>(open_split("train"), plan, cursor.step);
  // As many samples at once as in training: what fits there fits here.
  test = std::make_unique<data::EvaluationLoader>(
      open_split("test"), data::EvaluationPlan{config.data.batch / config.data.micro_batches, world.rank(),
                                               world.size(), device.is_cuda()});
}

// One parameter at a time, so that what is held beside them is as large as the largest.
void Session::set_initial_values() {
  const at::NoGradGuard no_grad;
  const memory::Tag tag(memory::Class::workspace, "initial values");
  const models::FamilyConfig& family = config.model.chosen();
  if (family.initial_weights().empty()) {
    for (std::size_t i = 0; i < parameters.size(); ++i) optimizer->set_master(i, parameters[i].initial());
    return;
  }
  WeightFolder weights(family.initial_weights(), config.model.families());
  weights.require(family, config.data.context);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const at::Tensor master = at::empty(parameters[i].tensor.sizes(), at::kFloat);
    weights.read(parameters[i].name, master);
    optimizer->set_master(i, master);
  }
}

step::Step Session::make_step(step::StepControl& control, memory::LeakGate& gate) {
  std::vector<step::BoundPhase> bound;
  for (core::Phase* phase : model->phases())
    bound.push_back({*phase, parameters, *optimizer, scaler, *reducer});
  step::StepSources sources;
  sources.next_batch = [this] {
    feed.finish_copy();
    core::Batch batch = loader->next();
    feed.start_copy(batch);
    return batch;
  };
  sources.learning_rate = [this](std::int64_t step) {
    return optim::learning_rate(config.optimizer.schedule, config.optimizer.lr, step, config.run.steps);
  };
  sources.micro_batches = config.data.micro_batches;
  return {std::move(bound), std::move(sources), control, runner, ledger, gate};
}

std::unique_ptr<data::Dataset> Session::open_split(const char* name) const {
  return train::open_split(config, name);
}

checkpoint::Parts Session::parts() {
  return {
      {"model", model.get()}, {"optimizer", optimizer.get()}, {"scaler", &scaler_state}, {"cursor", &cursor}};
}

double Session::mfu_per_sample() const {
  const double work = model->flops_per_sample();
  if (work == 0) return 0;
  const auto dtype = config.precision.dtype;
  const int beside = world.local_size();
  double rate = numerics::known_matrix_rate(dtype, device, beside);
  // All at once, as they will compute.
  if (world.max_of_all(rate == 0 ? 1 : 0, config.parallel.timeout_s) > 0) {
    rate = numerics::measure_matrix_rate(dtype, device);
    if (world.local_rank() == 0) numerics::remember_matrix_rate(dtype, device, beside, rate);
  }
  double all = 0;
  for (const std::string& one : world.gather_to_all(fmt::format("{}", rate), config.parallel.timeout_s))
    all += std::stod(one);
  return work / all;
}

std::string Session::description() const {
  const char* dtype = config.precision.dtype == numerics::Dtype::fp16   ? "fp16"
                      : config.precision.dtype == numerics::Dtype::bf16 ? "bf16"
                                                                        : "fp32";
  return fmt::format(
      "{}, {:.2f} M parameters, {}; {} rank{} x {} thread{} on {}{}, tensors moved by {}; {} {}, global "
      "batch {}",
      config.model.family().name, static_cast<double>(models::parameter_count(*model)) / 1e6, dtype,
      world.size(), world.size() == 1 ? "" : "s", threads, threads == 1 ? "" : "s",
      device.is_cuda() ? "GPU" : "CPU",
      pinned == 0 ? "" : fmt::format(" (pinned to {} core{} each)", pinned, pinned == 1 ? "" : "s"),
      communicator->backend(), loader->samples(), config.data.entry().unit(config.data), config.data.batch);
}

namespace {

// It would be killed again; and the launcher, on a host of its own, was told of a signal 9 alone.
void require_memory_lasted() {
  if (!memory::killed_before_this_start()) return;
  const std::int64_t limit = memory::Cgroup().read().limit;
  throw Error(
      ExitCode::memory,
      fmt::format(
          "the kernel killed a process of this worker for lack of memory{}, at the start before: lower "
          "data.batch or raise data.micro_batches, have fewer ranks in a worker, or raise its limit",
          limit > 0 ? fmt::format(" (its limit is {})", format_bytes(limit)) : ""));
}

}  // namespace

void check_inputs(const Config& config, const comm::World& world) {
  require_memory_lasted();
  (void)loader_plan(config, world).rank_micro_batch();
  for (const char* name : {"train", "test"}) (void)open_split(config, name);
}

}  // namespace ebb::train
