// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

namespace ebb::doctor {

// Tests whether all ranks write into the same folder. Each rank has one object. Each rank writes a file whose
// name contains a token that all ranks share. Then each rank waits for the files of all ranks, and removes
// its own file.
class SharedFolderProbe {
 public:
  SharedFolderProbe(std::filesystem::path folder, std::string word, int rank);
  ~SharedFolderProbe();
  SharedFolderProbe(const SharedFolderProbe&) = delete;
  SharedFolderProbe& operator=(const SharedFolderProbe&) = delete;
  // Creates the folder if it is missing, and writes this rank's file durably. Error(storage) names path and
  // reason.
  void write(std::int64_t bytes);
  // Waits until the files of all ranks are visible; NFS shows a new file late. Error(storage) names the first
  // rank whose file is missing after `seconds`.
  void wait_for_all(int ranks, double seconds) const;

 private:
  void remove_old() const;
  [[nodiscard]] std::filesystem::path file_of(int rank) const;
  std::filesystem::path folder_;
  std::string word_;
  int rank_;
};

}  // namespace ebb::doctor
