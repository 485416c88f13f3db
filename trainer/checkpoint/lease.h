// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

namespace ebb::checkpoint {

enum class WhenHeld { wait, refuse };

// One writer for a run folder: RUN/lease.json with its holder (host, boot, process and its start time, a
// random token), renewed by a background thread every `renew_s`. Written beside and linked: link(2) is atomic
// on NFS too.
//
// If another process holds the lease, `wait` polls until it is free; `say` gets a line that names the holder,
// at once and then every ten seconds. `refuse` throws Error(usage), which names the holder and what to do.
// A lease is taken over in three cases:
//  - The holder's process was on this host and is gone: at once.
//  - This process has watched the file for the holder's `expire_s` and has seen no renewal.
//  - The file's renewal time is more than the holder's `expire_s` ago by this host's clock, and this process
//    has seen no renewal for two of the holder's renewal intervals.
// `stop` is polled while it waits; true leads to Error(stopped). Only rank 0 takes a lease. The folder is
// made if it does not exist.
class Lease {
 public:
  using Say = std::function<void(const std::string&)>;
  using Stop = std::function<bool()>;
  Lease(const std::filesystem::path& run_folder, WhenHeld when_held, double renew_s, double expire_s,
        const Say& say = {}, const Stop& stop = {});
  ~Lease();  // gives it back
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  // Error(communication) when it was lost: taken over by another after an expiry, or not renewable for
  // `expire_s`. Thread-safe.
  void check() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ebb::checkpoint
