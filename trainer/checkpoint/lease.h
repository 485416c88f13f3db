#pragma once
#include <filesystem>
#include <memory>
#include <string>

namespace ebb::checkpoint {

enum class WhenHeld { wait, refuse };

// One writer for a run folder: RUN/lease.json with holder (host, pid, start time), renewed by a background thread every `renew_s`, expired after `expire_s` without
// renewal. Written beside and linked (link(2) is atomic on NFS too). A holder on this host whose process is gone is taken over at once. Held by another: wait (a line says for whom and how long) or
// Error(usage) naming the holder and both ways on. Only rank 0 takes one.
class Lease {
 public:
  Lease(const std::filesystem::path& run_folder, WhenHeld when_held, double renew_s, double expire_s);
  ~Lease();   // gives it back
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  void check() const;  // Error(communication) when it was lost (taken over after an expiry)

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ebb::checkpoint
