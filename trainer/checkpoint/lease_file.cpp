// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/lease_file.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <system_error>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/process.h"
#include "base/units.h"

namespace ebb::checkpoint {
namespace fs = std::filesystem;
namespace {

double wall_clock_s() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string first_line(const fs::path& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

std::string pid_namespace() {
  std::error_code error;
  return fs::read_symlink("/proc/self/ns/pid", error).string();
}

// Returns the start time of a process; 0: there is none, or it is a zombie.
std::int64_t process_start(std::int64_t pid) {
  const ProcessState seen = read_process_state(pid);
  return seen.ended() ? 0 : seen.started;
}

[[noreturn]] void fail(const std::string& what, const fs::path& path, int error) {
  throw Error(ExitCode::storage, fmt::format("cannot {} {}: {}", what, path.string(), std::strerror(error)));
}

}  // namespace

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(LeaseHolder, host, boot, pid, pid_namespace, process_start, token,
                                   renewals, renewed_at, renew_s, expire_s)

LeaseHolder LeaseHolder::of_this_process(double renew_s, double expire_s) {
  std::random_device random;
  LeaseHolder h;
  h.host = host_name();
  h.boot = first_line("/proc/sys/kernel/random/boot_id");
  h.pid_namespace = checkpoint::pid_namespace();
  h.token = fmt::format("{:08x}{:08x}", random(), random());
  h.pid = ::getpid();
  h.process_start = checkpoint::process_start(h.pid);
  h.renewed_at = wall_clock_s();
  h.renew_s = renew_s;
  h.expire_s = expire_s;
  return h;
}

std::string LeaseHolder::to_text() const {
  return nlohmann::json(*this).dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::optional<LeaseHolder> LeaseHolder::parse(const std::string& text) {
  try {
    auto holder = parse_json_or_discard(text).get<LeaseHolder>();
    const bool possible = std::isfinite(holder.renewed_at) && holder.renew_s > 0 &&
                          holder.renew_s <= holder.expire_s && holder.expire_s <= kLongestExpiry_s;
    if (!possible) return std::nullopt;
    return holder;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

std::string LeaseHolder::describe() const {
  return fmt::format("process {} on {} (last renewal {} ago)", pid, host,
                     format_duration(std::max(0.0, wall_clock_s() - renewed_at)));
}

bool LeaseHolder::is_certainly_gone() const {
  const LeaseHolder here = of_this_process(renew_s, expire_s);
  if (host != here.host || boot != here.boot || pid_namespace != here.pid_namespace) return false;
  return process_start == 0 || checkpoint::process_start(pid) != process_start;
}

bool LeaseHolder::seems_expired() const {
  return wall_clock_s() - renewed_at > expire_s;
}

LeaseFile::LeaseFile(const fs::path& run_folder) : path_(run_folder / "lease.json") {}

fs::path LeaseFile::temporary_path(const std::string& token) const {
  return path_.string() + "." + token;
}

std::optional<std::string> LeaseFile::read() const {
  struct stat status{};
  if (::stat(path_.c_str(), &status) != 0 && errno == ENOENT) return std::nullopt;
  try {
    return read_file(path_, ExitCode::storage);
  } catch (const Error&) {
    // The holder may remove it between the two calls.
    if (::stat(path_.c_str(), &status) != 0 && errno == ENOENT) return std::nullopt;
    throw;
  }
}

bool LeaseFile::create(const LeaseHolder& holder) const {
  const fs::path ours = temporary_path(holder.token);
  write_file_atomically(ours, holder.to_text());
  const bool linked = ::link(ours.c_str(), path_.c_str()) == 0;
  const int error = errno;
  ::unlink(ours.c_str());
  if (linked || error == EEXIST) return linked;
  fail("create", path_, error);
}

void LeaseFile::renew(const LeaseHolder& holder) const {
  const fs::path ours = temporary_path(holder.token);
  try {
    write_file_atomically(ours, holder.to_text());
    if (::rename(ours.c_str(), path_.c_str()) != 0) fail("renew", path_, errno);
  } catch (const Error&) {
    ::unlink(ours.c_str());  // this may have been the last renewal
    throw;
  }
}

void LeaseFile::break_stale(const std::string& stale, const std::string& token) const {
  // If several processes find it stale, one rename succeeds. The renamed file may be newer than the text that
  // was read.
  const fs::path away = path_.string() + ".stale." + token;
  if (::rename(path_.c_str(), away.c_str()) != 0) {
    if (errno == ENOENT) return;
    fail("take over", path_, errno);
  }
  std::ifstream in(away, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (text.str() != stale) ::link(away.c_str(), path_.c_str());
  ::unlink(away.c_str());
}

void LeaseFile::remove() const {
  ::unlink(path_.c_str());
}

}  // namespace ebb::checkpoint
