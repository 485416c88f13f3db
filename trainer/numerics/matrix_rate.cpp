// SPDX-License-Identifier: Apache-2.0
#include "numerics/matrix_rate.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "memory/cuda_device.h"
#include "memory/ledger.h"
#include "numerics/linear.h"
#include "numerics/precision.h"

namespace ebb::numerics {
namespace {

namespace fs = std::filesystem;

std::string processor() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown processor";
}

std::string key_of(Dtype dtype, at::Device device, int concurrent_ranks) {
  const char* const name = c10::toString(scalar_type(dtype));
  const std::string where = device.is_cuda()
                                ? memory::device_name(device.index())
                                : fmt::format("{}, {} threads", processor(), at::get_num_threads());
  return fmt::format("{}, {}, {} ranks", where, name, concurrent_ranks);
}

fs::path file() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0')
    return fs::path(cache) / "ebb/matrix-rate.json";
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0')
    return fs::path(home) / ".cache/ebb/matrix-rate.json";
  return {};
}

nlohmann::json known() {
  std::error_code ignored;
  if (file().empty() || !fs::is_regular_file(file(), ignored)) return nlohmann::json::object();
  try {
    auto all = parse_json_or_discard(read_file(file(), ExitCode::storage));
    return all.is_object() ? all : nlohmann::json::object();
  } catch (const Error&) {
    return nlohmann::json::object();  // as if absent: the file only saves a tenth of a second
  }
}

}  // namespace

double measure_matrix_rate(Dtype dtype, at::Device device) {
  const at::NoGradGuard no_grad;
  const memory::Tag tag(memory::Class::workspace, "matrix rate");
  const std::int64_t size = device.is_cuda() ? 4096 : 1024;
  const auto options = at::TensorOptions().dtype(scalar_type(dtype)).device(device);
  const at::Tensor a = at::ones({size, size}, options), b = at::ones({size, size}, options);
  constexpr int kTries = 5;
  double best = 1e300;
  for (int i = 0; i < kTries; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const at::Tensor c = linear(a, b, at::Tensor(), Activation::none);
    (void)c.view({-1})[0].item<float>();  // waits for a GPU
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return 2.0 * static_cast<double>(size * size) * static_cast<double>(size) / best;
}

double stored_matrix_rate(Dtype dtype, at::Device device, int concurrent_ranks) {
  const auto all = known();
  const auto found = all.find(key_of(dtype, device, concurrent_ranks));
  return found != all.end() && found->is_number() && found->get<double>() > 0 ? found->get<double>() : 0;
}

void store_matrix_rate(Dtype dtype, at::Device device, int concurrent_ranks, double rate) {
  if (file().empty()) return;
  auto all = known();
  all[key_of(dtype, device, concurrent_ranks)] = rate;
  try {
    make_folders(file().parent_path());
    write_file_atomically(file(), all.dump(2) + "\n");
  } catch (const Error&) {
    return;  // the next run measures again
  }
}

}  // namespace ebb::numerics
