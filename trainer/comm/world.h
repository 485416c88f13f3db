// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "comm/backend.h"
#include "comm/communicator.h"

namespace ebb::memory {
class Ledger;
}

namespace ebb::comm {

// The ranks that mpirun started, and this process's number among them; one rank without a launcher.
// Owns MPI_Init_thread (MPI_THREAD_MULTIPLE) and MPI_Finalize. Without the variables of a launcher
// (OMPI_COMM_WORLD_SIZE, PMIX_RANK, PMI_RANK, PMI_SIZE) it does not initialise MPI, so `ebb --version` starts
// at once.
class World {
 public:
  // Error(communication) if MPI does not support threads, or if the ranks cannot reach each other.
  World(int argc, char** argv);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  [[nodiscard]] int rank() const;
  [[nodiscard]] int size() const;
  [[nodiscard]] int local_rank() const;  // number among the ranks of this host
  [[nodiscard]] int local_size() const;  // ranks of this host
  [[nodiscard]] const std::string& host() const;
  // The running processes of the other ranks of this host that are visible here. Thread-safe.
  [[nodiscard]] std::vector<pid_t> local_peers() const;
  // After this call, messages about a late rank name its stage. So do the messages of communicators that are
  // made afterwards. `ledger` must outlive this object.
  void report_stages_of(const memory::Ledger& ledger);
  [[nodiscard]] const memory::Ledger* ledger() const;  // the one given above; else null
  // Error(communication) if another number of ranks was started. 0 accepts any number.
  void expect_ranks(std::int64_t expected) const;

  // Small agreements over MPI, on the calling thread, such as on the configuration's digest, errors
  // or NCCL's id. Collective, within `timeout_s` seconds; Error(communication) if a rank is late or
  // lost. Returns one string per rank, in rank order.
  [[nodiscard]] std::vector<std::string> gather_to_all(const std::string& text, double timeout_s) const;
  [[nodiscard]] std::int64_t max_of_all(std::int64_t value, double timeout_s) const;
  // Ends all ranks with the code, by MPI_Abort; without a launcher by _exit.
  [[noreturn]] void end_all(ExitCode code) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Makes a communicator for tensors on `device`. Collective. `automatic` selects single for one
// rank, nccl for tensors on a GPU, else mpi. Error(usage) if the backend does not fit the device or
// the number of ranks.
std::unique_ptr<Communicator> make_communicator(const World& world, Backend backend, double timeout_s,
                                                at::Device device);

}  // namespace ebb::comm
