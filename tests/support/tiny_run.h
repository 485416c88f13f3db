// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/process.h"

namespace ebb::test {

// A small dataset and a configuration (tiny.yaml) that trains on it in seconds, in a folder of their own.
class TinyRun {
 public:
  enum class Of { images, text };
  explicit TinyRun(Of what = Of::images);
  // ebb train on `ranks` ranks as run `name`, with more overrides. Runs to its end.
  ProcessResult train(int ranks, const std::string& name, std::vector<std::string> overrides = {},
                      std::chrono::milliseconds limit = std::chrono::minutes(3)) const;
  [[nodiscard]] std::vector<std::string> command(int ranks, const std::string& name,
                                                 std::vector<std::string> overrides) const;
  // The same by `ebb launch` with two ranks, including its verdict.
  [[nodiscard]] std::vector<std::string> launch(const std::string& name,
                                                const std::vector<std::string>& overrides) const;
  [[nodiscard]] std::string run_folder(const std::string& name) const { return folder_ / ("runs/" + name); }
  [[nodiscard]] const TemporaryFolder& folder() const { return folder_; }

 private:
  void make_images();
  void make_text();
  TemporaryFolder folder_;
};

// The lines of a JSON-lines file.
std::vector<nlohmann::json> json_lines(const std::string& path);
// The lines of RUN/memory/rank-NNNNN.jsonl. A short line gets the bytes of the whole line before it, which
// its step had too.
std::vector<nlohmann::json> memory_lines(const std::string& run_folder, int rank);
// step -> loss of the training lines of RUN/metrics.jsonl, as written.
std::map<int, double> losses(const std::string& run_folder);
// name -> bytes of every tensor of the newest checkpoint of a run, for any number of ranks that wrote it.
std::map<std::string, std::string> checkpoint_tensors(const std::string& run_folder);

}  // namespace ebb::test
