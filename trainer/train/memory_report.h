// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>

#include "memory/failure.h"
#include "train/environment.h"
#include "train/memory_need.h"
#include "train/report_request.h"

namespace ebb::train {

// Writes the memory of this rank at a failure, or on request: RUN/memory/rank-NNNNN.report.txt for a person,
// and rank-NNNNN.snapshot.pickle for PyTorch's viewer. While it exists, it is the failure reporter of the
// process. A failure also makes the other ranks of the host write theirs at once, since they share its
// memory.
class MemoryReporter final : public memory::FailureReporter {
 public:
  // `environment` and `request` must outlive the object. `need`: the plan; empty: there is none.
  MemoryReporter(const Environment& environment, ReportRequest& request,
                 const std::filesystem::path& run_folder, const std::optional<MemoryNeed>& need);
  ~MemoryReporter() override;
  MemoryReporter(const MemoryReporter&) = delete;
  MemoryReporter& operator=(const MemoryReporter&) = delete;

  void begin_step(std::int64_t step) { step_.store(step); }  // from 0
  // Of the first failure only: later ones follow from it. Returns the planned peak beside the live bytes, and
  // the path of the report.
  std::string report(const std::string& what) override;
  // Writes both files. `reason`: the first lines of the report. Error(storage) if that fails.
  void write(const std::string& reason);
  // Gives the other ranks of the host two seconds to write their reports, which they do at once. After a
  // failure, call it before this rank ends them.
  void wait_for_peers() const;
  // Adds lines to the report of a failure, if there was one. Does nothing if it cannot.
  void append(const std::string& lines);

  [[nodiscard]] const std::filesystem::path& report_path() const { return report_path_; }

 private:
  void request_reports_of_peers() const noexcept;
  void report_for_another_rank() noexcept;
  [[nodiscard]] std::string text(const std::string& reason) const;
  void write_text(const std::string& reason) const;
  void write_snapshot() const;

  const Environment& environment_;
  ReportRequest& request_;
  std::optional<MemoryNeed> need_;
  std::filesystem::path report_path_, snapshot_path_;
  std::atomic<std::int64_t> step_{-1};       // -1: before the first
  std::mutex mutex_;                         // of the two files and the next members
  bool reported_ = false, written_ = false;  // a failure; its report
};

}  // namespace ebb::train
