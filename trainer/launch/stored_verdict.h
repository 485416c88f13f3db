// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <optional>
#include <string>

#include "base/error.h"
#include "launch/error_report.h"

namespace ebb::launch {

// The identity of a job. After a failure that a retry cannot fix, the job is refused only while its identity
// is unchanged.
struct JobIdentity {
  std::string attempt;        // a number or name; another one permits another try
  std::string configuration;  // digest of all keys, and the number of ranks
  std::string version;        // of ebb
  friend bool operator==(const JobIdentity&, const JobIdentity&) = default;
};

// A failure that a retry cannot fix. RUN/verdict.json keeps it for the next start of the same job.
struct StoredVerdict {
  ExitCode code = ExitCode::internal;
  std::string message;  // one line
  int rank = -1;        // -1: the failure belongs to no single rank
  std::string host;
  std::string time;  // UTC, ISO 8601
  JobIdentity job;
};

bool is_final(ExitCode code);  // 2, 3, 4, 6, 7

// Returns nullopt if there is none or it cannot be read: a file of another version must not prevent training.
std::optional<StoredVerdict> read_verdict(const std::filesystem::path& run_folder);
void store_verdict(const std::filesystem::path& run_folder, const StoredVerdict& verdict);
void remove_verdict(const std::filesystem::path& run_folder);

// Joins the lines of a text with semicolons.
std::string join_lines(const std::string& text);

// "code 4 (memory), rank 1 on HOST: what happened"
std::string describe_end(ExitCode code, const ErrorReport& error);

// Writes a message for Kubernetes (terminationMessagePath), at most 4096 bytes. It writes in place, since the
// file may be a mount. Returns false if it cannot write, as to a pipe without a reader.
bool write_termination_message(const std::filesystem::path& file, const std::string& text);
// Checks it before the run: Error(usage) if the file is a folder, or has a text that is no such message.
void require_termination_file(const std::filesystem::path& file);

std::string utc_now();  // "2026-01-31T12:00:00Z"

}  // namespace ebb::launch
