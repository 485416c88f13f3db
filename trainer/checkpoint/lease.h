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
// Held by another: `wait` polls until it is free (`say` gets a line for whom, at first and then every ten
// seconds), `refuse` is Error(usage) naming the holder and both ways on. Taken over, from a holder
//  - on this host whose process is gone: at once;
//  - that was not seen to renew for its own `expire_s` while this process looked on;
//  - that by its own clock renewed more than `expire_s` ago, and was not seen to renew for two of its
//  renewals.
// `stop` is polled while it waits: true is Error(stopped). Only rank 0 takes one. The folder is made when it
// is not there.
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
