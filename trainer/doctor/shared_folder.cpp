// SPDX-License-Identifier: Apache-2.0
#include "doctor/shared_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <system_error>
#include <thread>
#include <utility>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/file.h"

namespace ebb::doctor {

SharedFolderProbe::SharedFolderProbe(std::filesystem::path folder, std::string word, int rank)
    : folder_(std::move(folder)), word_(std::move(word)), rank_(rank) {}

SharedFolderProbe::~SharedFolderProbe() {
  std::error_code error;
  std::filesystem::remove(file_of(rank_), error);
}

std::filesystem::path SharedFolderProbe::file_of(int rank) const {
  return folder_ / fmt::format(".preflight-{}-{:05}", word_, rank);
}

// Removes the files that a killed preflight left.
void SharedFolderProbe::remove_old() const {
  constexpr auto kOld = std::chrono::minutes(10);
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, error)) {
    if (!entry.path().filename().string().starts_with(".preflight-")) continue;
    const auto written = entry.last_write_time(error);
    if (!error && std::filesystem::file_time_type::clock::now() - written > kOld)
      std::filesystem::remove(entry.path(), error);
  }
}

void SharedFolderProbe::write(std::int64_t bytes) {
  constexpr std::int64_t kBlock = 1 << 20;
  make_folders(folder_);
  if (rank_ == 0) remove_old();
  AtomicFile file(file_of(rank_));
  const std::string block(kBlock, 'x');
  for (std::int64_t done = 0; done < bytes; done += kBlock)
    file.append(std::string_view(block).substr(0, static_cast<std::size_t>(std::min(kBlock, bytes - done))));
  file.commit();
}

void SharedFolderProbe::wait_for_all(int ranks, double seconds) const {
  constexpr auto kBetween = std::chrono::milliseconds(100);
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  for (int rank = 0; rank < ranks; ++rank) {
    // Opening a file queries the NFS server again; listing the folder may not.
    while (!std::ifstream(file_of(rank))) {
      if (std::chrono::steady_clock::now() >= end) {
        throw Error(
            ExitCode::storage,
            fmt::format(
                "this host does not see what rank {} has written into {}\n  run.dir has to be a folder "
                "that all hosts share (a claim with ReadWriteMany, NFS)",
                rank, folder_.string()));
      }
      std::this_thread::sleep_for(kBetween);
    }
  }
}

}  // namespace ebb::doctor
