// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "comm/communicator.h"
#include "comm/transport.h"
#include "memory/buffer.h"

namespace ebb::comm {

// Owner tag and size of the staging buffer of a communicator of `ranks` ranks.
inline constexpr std::string_view kMpiStagingOwner = "mpi staging";
std::size_t mpi_staging_bytes(int ranks);

// Collectives of CPU tensors by MPI point-to-point messages. One progress thread runs them in the
// order of their start; wait() waits for that thread. Needs MPI_THREAD_MULTIPLE.
//
// An all-reduce is a reduce-scatter and an all-gather over slices. Each rank combines its slice of
// all tensors in rank order, so the result is the same on all ranks and in each run. Results are
// received in the tensors themselves. The staging buffer of at most 8 MiB is allocated once.
class MpiCommunicator final : public Communicator {
 public:
  // Collective over `parent`, within `timeout_s` seconds; that is also the limit of each
  // collective. `ledger`: as for Transport.
  MpiCommunicator(MPI_Comm parent, double timeout_s, const memory::Ledger* ledger);
  ~MpiCommunicator() override;  // runs the queued collectives first
  [[nodiscard]] int rank() const override { return transport_->rank(); }
  [[nodiscard]] int size() const override { return transport_->size(); }
  [[nodiscard]] std::string_view backend() const override { return "mpi"; }
  [[nodiscard]] std::unique_ptr<Work> start(Collective collective) override;
  void abort(std::string_view reason) override { transport_->stop(reason); }

 private:
  struct Job;
  class Handle;
  void run_jobs();
  void execute(const Collective& collective, const Operation& operation);
  void all_reduce(const Collective& c, const Operation& o);
  void reduce_scatter(const Collective& c, const Operation& o);
  void all_gather(const Collective& c, const Operation& o);
  void broadcast(const Collective& c, const Operation& o);

  double timeout_s_;
  std::unique_ptr<Transport> transport_;
  std::size_t slice_bytes_;  // staging of one rank
  memory::Buffer staging_;   // one slice for each other rank
  std::uint64_t sequence_ = 0;
  std::mutex mutex_;  // guards the members below
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Job>> queue_;
  std::exception_ptr broken_;
  bool closing_ = false;
  std::thread thread_;  // last, since it uses the other members
};

}  // namespace ebb::comm
