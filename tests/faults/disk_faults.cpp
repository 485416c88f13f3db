// SPDX-License-Identifier: Apache-2.0
#include "faults/disk_faults.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <thread>

namespace ebb::test {
namespace {

namespace fs = std::filesystem;

// Why this process cannot mount. Otherwise its mounts are its own from now on, and end with it.
std::string why_no_mounts() {
  if (::unshare(CLONE_NEWNS) == 0 && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0)
    return "";
  return "only root can mount in a namespace of its own";
}

void require(bool done, const char* what) {
  if (!done) throw std::system_error(errno, std::generic_category(), what);
}

// A file that takes all free space while it exists.
class Ballast {
 public:
  explicit Ballast(const std::string& folder) : path_(folder + "/ballast") {
    const int fd = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    require(fd >= 0, "cannot create a file that fills the disk");
    struct statvfs disk{};
    // The run may free or take blocks at the same time.
    for (off_t bytes = 0; ::fstatvfs(fd, &disk) == 0 && disk.f_bavail > 0;) {
      const auto free = static_cast<off_t>(disk.f_bavail * disk.f_bsize);
      if (::posix_fallocate(fd, bytes, free) == 0) bytes += free;
    }
    ::close(fd);
  }
  ~Ballast() { ::unlink(path_.c_str()); }
  Ballast(const Ballast&) = delete;
  Ballast& operator=(const Ballast&) = delete;

 private:
  std::string path_;
};

FaultEnd full_disk(FaultRound& round) {
  const std::string folder = round.run_folder();
  fs::create_directories(folder);
  require(::mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=8m") == 0, "cannot mount a tmpfs");
  round.at_end([folder] { ::umount2(folder.c_str(), MNT_DETACH); });
  const auto launched = round.start_to_moment();
  {
    const Ballast ballast(folder);
    round.sleep_randomly("full for", 0.05, 1);
  }
  const bool met = launched->wait().exit_code == 8;
  return {launched->wait(), met, {0, 8}, "No space left on device"};
}

// New files are refused. A mount with files open for writing cannot become read-only, and the logs are always
// open, so this is a second mount of the folder of checkpoints over itself.
FaultEnd read_only_disk(FaultRound& round) {
  const std::string folder = round.run_folder() + "/checkpoints";
  const auto launched = round.start_to_moment();
  if (!fs::exists(folder)) return {launched->wait(), false, {0}};
  require(::mount(folder.c_str(), folder.c_str(), nullptr, MS_BIND, nullptr) == 0, "cannot mount a folder");
  const auto read_only = [&] {
    return ::mount(nullptr, folder.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) == 0;
  };
  bool done = read_only();
  for (int i = 0; i < 100 && !done && errno == EBUSY; ++i) {  // a save has begun since
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    done = read_only();
  }
  if (done) round.sleep_randomly("read-only for", 0.05, 1);
  require(::umount2(folder.c_str(), MNT_DETACH) == 0, "cannot remove a mount");
  const bool met = launched->wait().exit_code == 8;
  return {launched->wait(), met, {0, 8}, "Read-only file system"};
}

// A write, fsync, rename or link of one rank. A renewal of the lease is tried again. So is the other half of
// a write.
FaultEnd failed_call(FaultRound& round) {
  const std::string note = round.path("note"), error = round.pick({"ENOSPC", "EIO", "SHORT"});
  const std::string folder = round.pick({"/checkpoints", ""});
  round.options.environment = {{"LD_PRELOAD", std::getenv("EBB_FAULT_SHIM")},
                               {"EBB_FAULT_RANK", round.pick({"0", "1"})},
                               {"EBB_FAULT_FOLDER", "/" + round.name() + folder},
                               {"EBB_FAULT_WRITE", std::to_string(static_cast<int>(round.draw(1, 400)))},
                               {"EBB_FAULT_ERROR", error},
                               {"EBB_FAULT_ONCE", "1"},
                               {"EBB_FAULT_NOTE", note}};
  for (const char* name : {"RANK", "WRITE", "FOLDER", "ERROR"})
    round.note(fmt::format("{} {}", name, round.options.environment.at(std::string("EBB_FAULT_") + name)));
  const ProcessResult result = round.start({"run.lease_expires=3s"})->wait();
  round.options.environment.clear();  // the run is resumed without it
  std::string path;
  std::getline(std::ifstream(note), path);
  round.note(path.empty() ? "no such call" : "on " + path);
  const bool goes_on = path.empty() || error == "SHORT" || path.find("lease.json") != std::string::npos;
  return {result, !path.empty(), goes_on ? std::vector{0, 8} : std::vector{8},
          error == "EIO" ? "Input/output error" : "No space left on device"};
}

}  // namespace

std::vector<FaultKind> disk_faults() {
  const std::string missing = why_no_mounts();
  return {{"full disk", missing, full_disk},
          {"read-only disk", missing, read_only_disk},
          {"failed call", "", failed_call}};
}

}  // namespace ebb::test
