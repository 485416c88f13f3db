// SPDX-License-Identifier: Apache-2.0
#include "telemetry/node_metrics.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/digest.h"
#include "base/error.h"
#include "comm/run_on_all_ranks.h"

namespace ebb::telemetry {
namespace {

[[noreturn]] void fail(const std::string& what, const std::string& name, std::size_t bytes, int error) {
  throw Error(
      ExitCode::storage,
      fmt::format("telemetry.port: cannot {} /dev/shm{} ({} bytes), where the ranks of a node keep the "
                  "metrics that it serves: {}. Free memory there, or set telemetry.port=0",
                  what, name, bytes, std::strerror(error)));
}

}  // namespace

void RankMetrics::name_device(std::string_view gpu_uuid) {
  const std::size_t size = std::min(gpu_uuid.size(), uuid.size() - 1);
  std::copy_n(gpu_uuid.data(), size, uuid.data());
  uuid[size] = '\0';
}

NodeMetrics::NodeMetrics(const comm::World& world, const std::filesystem::path& run_folder, double timeout_s)
    : node_(world.host()),
      size_(world.local_size()),
      mine_(world.local_rank()),
      bytes_(sizeof(RankMetrics) * static_cast<std::size_t>(size_)) {
  std::error_code error;
  const std::string folder = std::filesystem::absolute(run_folder, error).string();
  const std::string name = fmt::format("/ebb-{}-{}", ::geteuid(), digest_hex(folder));
  // The ranks together create the file, open it, and remove its name.
  comm::run_on_all_ranks(world, timeout_s, [&] {
    if (mine_ == 0) create(name);
  });
  comm::run_on_all_ranks(world, timeout_s, [&] {
    if (mine_ != 0) open(name);
  });
  if (mine_ == 0) ::shm_unlink(name.c_str());
}

NodeMetrics::~NodeMetrics() {
  if (ranks_ != nullptr) ::munmap(ranks_, bytes_);
}

void NodeMetrics::create(const std::string& name) {
  ::shm_unlink(name.c_str());
  const int fd = ::shm_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) fail("create", name, bytes_, errno);
  // The memory is reserved now: a full /dev/shm would later end a rank with SIGBUS.
  if (const int error = ::posix_fallocate(fd, 0, static_cast<off_t>(bytes_)); error != 0) {
    ::close(fd);
    ::shm_unlink(name.c_str());
    fail("reserve", name, bytes_, error);
  }
  map(fd);
}

void NodeMetrics::open(const std::string& name) {
  const int fd = ::shm_open(name.c_str(), O_RDWR | O_CLOEXEC, 0);
  if (fd < 0) fail("open", name, bytes_, errno);
  map(fd);
}

void NodeMetrics::map(int fd) {
  void* const memory = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  const int error = errno;
  ::close(fd);
  if (memory == MAP_FAILED) fail("map", "", bytes_, error);
  ranks_ = static_cast<RankMetrics*>(memory);  // the new file is zero-filled
}

}  // namespace ebb::telemetry
