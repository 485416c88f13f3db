#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "comm/backend.h"
#include "comm/communicator.h"

namespace ebb::comm {

// The process's place among the ranks that mpirun started (or alone). Owns MPI_Init_thread
// (MPI_THREAD_MULTIPLE) and MPI_Finalize; MPI is not initialised when no launcher is seen (no
// OMPI_COMM_WORLD_SIZE / PMI_*), so that `ebb --version` starts at once.
class World {
 public:
  World(int argc, char** argv);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  [[nodiscard]] int rank() const;
  [[nodiscard]] int size() const;
  [[nodiscard]] int local_rank() const;  // among the ranks of this host
  [[nodiscard]] int local_size() const;
  [[nodiscard]] const std::string& host() const;
  void expect_ranks(std::int64_t expected) const;

  // Small agreements over MPI on the calling thread (configuration digest, stop flag, errors, NCCL's id).
  [[nodiscard]] std::vector<std::string> gather_to_all(
      const std::string& text, double timeout_s) const;  // one string a rank, in rank order
  [[nodiscard]] std::int64_t max_of_all(std::int64_t value, double timeout_s) const;
  // Ends every rank with the code (MPI_Abort); alone: _exit. Does not return.
  [[noreturn]] void end_all(ExitCode code) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// automatic: single for one rank, nccl where every rank has a device of its own, else mpi. `device` is what
// tensors will be on.
std::unique_ptr<Communicator> make_communicator(const World& world, Backend backend, double timeout_s,
                                                at::Device device);

}  // namespace ebb::comm
