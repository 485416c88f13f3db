// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <mpi.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "comm/notice.h"
#include "comm/peer_process.h"
#include "memory/ledger.h"
#include "memory/oom_kills.h"

namespace ebb::comm {

// Data that is sent to one rank or received from it.
struct Transfer {
  int peer = 0;
  std::byte* data = nullptr;  // not modified by a send
  std::size_t bytes = 0;
};

// Point-to-point messages among all ranks over an MPI communicator of its own, each with a time
// limit. The calls poll and never block inside MPI, so they notice a stopped or lost rank. The
// Error then has that rank's last notice. One thread at a time, except stop().
//
// After any Error the transport is broken: MPI may still write to the buffers of unfinished messages.
// The owner must therefore keep those buffers and the transport until the process ends.
class Transport {
 public:
  // Collective over `parent`, within `timeout_s` seconds. Notices have the stage of `ledger`, or setup if
  // it is null. `ledger` must outlive the transport.
  Transport(MPI_Comm parent, double timeout_s, const memory::Ledger* ledger);
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  [[nodiscard]] int rank() const { return rank_; }
  [[nodiscard]] int size() const { return size_; }
  [[nodiscard]] bool broken() const { return broken_; }
  [[nodiscard]] std::string rank_name(int rank) const;  // "rank 3 (node-b)"
  void set_ledger(const memory::Ledger& ledger) { ledger_ = &ledger; }
  // By rank. Those of other hosts, and of this host that are not visible here, are not watched.
  [[nodiscard]] const std::vector<PeerProcess>& peer_processes() const { return peer_processes_; }

  // Starts an operation on all ranks: sends `mine`, with this rank's stage, to every other rank and returns
  // all notices in rank order. Error(communication) if a rank is late or started another operation. `same`
  // compares two notices.
  const std::vector<Notice>& rendezvous(const Operation& operation, const Notice& mine,
                                        bool (*same)(const Notice&, const Notice&));

  // Sends and receives data, and returns when all are complete. The sends of one rank and the
  // receives of the other must match in order and size.
  void exchange(const Operation& operation, std::span<const Transfer> sends,
                std::span<const Transfer> receives);

  // Ends the current call and all later ones with an Error that has the reason. Thread-safe.
  void stop(std::string_view reason);
  [[nodiscard]] bool stopped() const { return stopped_.load(std::memory_order_acquire); }
  [[nodiscard]] std::string stop_reason() const;

  // Marks the transport as broken and sends the reason to the other ranks, so they need not wait for
  // their limit.
  void announce_failure(std::string_view reason);

 private:
  enum class Step { setup, rendezvous, transfer };
  void set_up(MPI_Comm parent, double timeout_s);
  void complete(const Operation& operation, Step step);
  void check_stopped(const Operation& operation);
  void check_failures(const Operation& operation);
  void check_peer_processes(const Operation& operation);
  [[noreturn]] void fail_late(const Operation& operation, Step step);
  [[noreturn]] void fail(const std::string& message, ExitCode code = ExitCode::communication);
  void check_mpi(const Operation& operation, int code, const char* call);
  void post(const Operation& operation, const Transfer& transfer, int tag, bool send);

  const memory::Ledger* ledger_;
  int rank_ = 0;
  int size_ = 1;
  memory::OomKillWatch kills_;
  std::vector<std::string> hosts_;
  std::vector<Notice> last_notices_;         // by rank
  std::vector<PeerProcess> peer_processes_;  // by rank
  // The buffers that MPI accesses. They are not freed if the transport is broken.
  struct Buffers {
    MPI_Comm comm = MPI_COMM_NULL;
    std::vector<Notice> incoming;  // by rank
    Notice mine;
    std::vector<MPI_Request> requests;  // receives first
    std::vector<char> failure;
  };
  std::unique_ptr<Buffers> buffers_ = std::make_unique<Buffers>();
  std::vector<int> peers_;  // by request
  std::vector<int> finished_;
  std::size_t receives_ = 0;
  bool ready_ = false;  // `comm` may be used; MPI sets it earlier
  bool broken_ = false;
  std::atomic<bool> stopped_{false};
  mutable std::mutex mutex_;  // guards reason_
  std::string reason_;
};

}  // namespace ebb::comm
