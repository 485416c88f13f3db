#pragma once
#include <filesystem>
#include <optional>
#include <string>

#include "base/error.h"
#include "launch/last_words.h"

namespace ebb::launch {

// What a job is to be told apart by from one that was changed since: what failed for good fails again only if
// all of it is the same.
struct JobIdentity {
  std::string attempt;        // a number or name that whoever starts it changes to have it tried anew
  std::string configuration;  // digest of all keys, and the number of ranks
  std::string version;        // of ebb
  friend bool operator==(const JobIdentity&, const JobIdentity&) = default;
};

// A failure that another try cannot mend, kept in RUN/verdict.json for whatever starts the same job again.
struct StoredVerdict {
  ExitCode code = ExitCode::internal;
  std::string message;  // one line
  int rank = -1;        // -1: not of one rank
  std::string host;
  std::string time;  // UTC, ISO 8601
  JobIdentity job;
};

bool is_final(ExitCode code);  // 2, 3, 4, 6, 7

// nullopt: there is none, or it cannot be read (a half file of another version is no reason not to train).
std::optional<StoredVerdict> read_verdict(const std::filesystem::path& run_folder);
void store_verdict(const std::filesystem::path& run_folder, const StoredVerdict& verdict);
void remove_verdict(const std::filesystem::path& run_folder);

// Several lines as one, with semicolons.
std::string join_lines(const std::string& text);

// "code 4 (memory), rank 1 on HOST: what happened"
std::string describe_end(ExitCode code, const LastWords& words);

// Writes it into a file that Kubernetes reads (terminationMessagePath), at most 4096 bytes, in place: that
// file is a mount. False where it cannot be written.
bool write_termination_message(const std::filesystem::path& file, const std::string& text);

std::string utc_now();  // "2026-01-31T12:00:00Z"

}  // namespace ebb::launch
