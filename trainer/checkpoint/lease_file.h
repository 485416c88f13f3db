// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace ebb::checkpoint {

// The longest expiry that a lease may have.
inline constexpr double kLongestExpiry_s = 24 * 3600;

// The content of lease.json: the holder of the folder, and the last renewal by the holder's clock.
struct LeaseHolder {
  std::string host, boot, pid_namespace, token;
  std::int64_t pid = 0;
  // /proc/PID/stat, field 22: distinguishes a process from a later one with the same number.
  std::int64_t process_start = 0;
  std::int64_t renewals = 0;
  double renewed_at = 0;  // seconds since 1970
  double renew_s = 0, expire_s = 0;

  [[nodiscard]] std::string to_text() const;
  [[nodiscard]] static std::optional<LeaseHolder> parse(
      const std::string& text);  // nullopt: damaged, or no possible times
  [[nodiscard]] static LeaseHolder of_this_process(double renew_s, double expire_s);
  [[nodiscard]] std::string describe() const;  // "process 123 on a (last renewal 4s ago)"
  // True only if it is certain: the same host, boot and process namespace, and no such process there.
  [[nodiscard]] bool is_certainly_gone() const;
  // Returns whether renewed_at is more than expire_s ago by this host's wall clock.
  [[nodiscard]] bool seems_expired() const;
};

// Accesses the file by calls that are atomic on one host and over NFS. Errors are Error(storage).
class LeaseFile {
 public:
  explicit LeaseFile(const std::filesystem::path& run_folder);
  [[nodiscard]] std::optional<std::string> read() const;       // nullopt: not there
  [[nodiscard]] bool create(const LeaseHolder& holder) const;  // false: another process holds it
  // Overwrites our lease. Call it only after read() returned our token.
  void renew(const LeaseHolder& holder) const;
  // Removes the file if its text is still `stale`. It restores a file that another process has renewed or
  // created meanwhile.
  void break_stale(const std::string& stale, const std::string& token) const;
  void remove() const;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  [[nodiscard]] std::filesystem::path temporary_path(const std::string& token) const;
  std::filesystem::path path_;
};

}  // namespace ebb::checkpoint
