#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

namespace ebb::doctor {

// A rank's part of the question whether all ranks write into one folder. Each makes its file, which holds a
// word that all know; when all are there, each looks for everybody's; then each removes its own.
class SharedFolderProbe {
 public:
  SharedFolderProbe(std::filesystem::path folder, std::string word, int rank);
  ~SharedFolderProbe();
  SharedFolderProbe(const SharedFolderProbe&) = delete;
  SharedFolderProbe& operator=(const SharedFolderProbe&) = delete;
  // The folder is made where it is not there; durable when it returns. Error(storage) names path and reason.
  void write(std::int64_t bytes);
  // Error(storage) names the first rank whose file is not seen within so long (NFS shows a new one late).
  void look_for(int ranks, double seconds) const;

 private:
  void remove_old() const;
  [[nodiscard]] std::filesystem::path file_of(int rank) const;
  std::filesystem::path folder_;
  std::string word_;
  int rank_;
};

}  // namespace ebb::doctor
