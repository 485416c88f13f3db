// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

namespace ebb::checkpoint {

enum class WhenHeld { wait, refuse };

// Ensures one writer for a run folder. RUN/lease.json names its holder (host, boot ID, PID namespace, PID and
// start time of the process, a random token). A background thread renews it every `renew_s`. The file is
// written under another name and linked: link(2) is atomic on NFS too.
//
// If another process holds the lease, `wait` polls until it is free; `say` receives a line that names the
// holder, at once and then every ten seconds. `refuse` throws Error(usage), which names the holder and the
// remedy. A lease is taken over in three cases:
//  - The holder's process was on this host and is gone: at once.
//  - This process has watched the file for the holder's `expire_s` and has seen no renewal.
//  - The file's renewal time is more than the holder's `expire_s` ago by this host's clock, and this process
//    has seen no renewal for two of the holder's renewal intervals.
// It polls `stop` during the wait; true leads to Error(stopped). Rank 0 alone has a lease. The folder is
// created if it does not exist.
class Lease {
 public:
  using Say = std::function<void(const std::string&)>;
  using Stop = std::function<bool()>;
  Lease(const std::filesystem::path& run_folder, WhenHeld when_held, double renew_s, double expire_s,
        const Say& say = {}, const Stop& stop = {});
  // The same without waiting: null if another process holds the lease.
  static std::unique_ptr<Lease> acquire_if_free(const std::filesystem::path& run_folder, double renew_s,
                                                double expire_s);
  ~Lease();  // releases the lease
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  // Error(communication) if the lease is lost: another process took it over after an expiry, or it could not
  // be renewed for `expire_s`. Thread-safe.
  void check() const;

 private:
  struct Impl;
  explicit Lease(std::unique_ptr<Impl> taken);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ebb::checkpoint
