// SPDX-License-Identifier: Apache-2.0
#include "comm/world.h"

#include <fmt/format.h>
#include <mpi.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "base/process.h"
#include "comm/gather_texts.h"
#include "comm/mpi_communicator.h"
#include "comm/nccl.h"
#include "comm/peer_process.h"
#include "comm/single_communicator.h"
#include "comm/transport.h"

namespace ebb::comm {

namespace {

constexpr double kStartTimeout_s = 120;

// Whether a launcher has set the variables of Open MPI, PMIx or PMI.
bool has_launcher() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "PMI_SIZE"})
    if (std::getenv(name) != nullptr) return true;
  return false;
}

}  // namespace

struct World::Impl {
  int rank = 0, size = 1, local_rank = 0, local_size = 1;
  bool mpi = false;
  std::string host = host_name();
  std::unique_ptr<Transport> transport;  // for the small agreements; null for one rank
  std::uint64_t agreements = 0;
  const memory::Ledger* ledger = nullptr;
};

World::World(int argc, char** argv) : impl_(std::make_unique<Impl>()) {
  if (!has_launcher()) return;
  int provided = 0;
  if (MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided) != MPI_SUCCESS ||
      provided < MPI_THREAD_MULTIPLE)
    throw Error(
        ExitCode::communication,
        "this MPI does not support several threads (MPI_THREAD_MULTIPLE). The reduction of gradients during "
        "backward needs them. Use an Open MPI or MPICH that was built with threads");
  impl_->mpi = true;
  MPI_Comm_rank(MPI_COMM_WORLD, &impl_->rank);
  MPI_Comm_size(MPI_COMM_WORLD, &impl_->size);
  if (impl_->size == 1) return;
  MPI_Comm local = MPI_COMM_NULL;
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, impl_->rank, MPI_INFO_NULL, &local);
  MPI_Comm_rank(local, &impl_->local_rank);
  MPI_Comm_size(local, &impl_->local_size);
  MPI_Comm_free(&local);
  impl_->transport = std::make_unique<Transport>(MPI_COMM_WORLD, kStartTimeout_s, nullptr);
}

World::~World() {
  if (!impl_->mpi) return;
  if (impl_->transport && impl_->transport->broken())
    end_all(ExitCode::communication);  // MPI_Finalize would never return
  impl_->transport.reset();
  MPI_Finalize();
}

int World::rank() const {
  return impl_->rank;
}
int World::size() const {
  return impl_->size;
}
int World::local_rank() const {
  return impl_->local_rank;
}
int World::local_size() const {
  return impl_->local_size;
}
const std::string& World::host() const {
  return impl_->host;
}

std::vector<pid_t> World::local_peers() const {
  std::vector<pid_t> found;
  if (!impl_->transport) return found;
  for (const PeerProcess& peer : impl_->transport->peer_processes())
    if (peer.pid() != 0 && peer.pid() != ::getpid() && !peer.has_ended()) found.push_back(peer.pid());
  return found;
}

void World::report_stages_of(const memory::Ledger& ledger) {
  impl_->ledger = &ledger;
  if (impl_->transport) impl_->transport->set_ledger(ledger);
}

const memory::Ledger* World::ledger() const {
  return impl_->ledger;
}

void World::expect_ranks(std::int64_t expected) const {
  if (expected == 0 || expected == size()) return;
  throw Error(
      ExitCode::communication,
      fmt::format(
          "{} ranks are expected (parallel.ranks, or --ranks, which ebb launch sets), but {} were started. "
          "{}",
          expected, size(),
          size() == 1
              ? "A launcher of another MPI starts single ranks that do not see each other. Check that mpirun "
                "belongs to the MPI that `ebb --version` names, and that it reads the host file."
              : "Check mpirun's -np and the slots of its host file."));
}

std::vector<std::string> World::gather_to_all(const std::string& text, double timeout_s) const {
  if (!impl_->transport) return {text};
  Operation operation;
  operation.what = "agreement";
  operation.label = "of all ranks";
  operation.sequence = ++impl_->agreements;
  operation.bytes = static_cast<std::int64_t>(text.size());
  operation.started = std::chrono::steady_clock::now();
  operation.timeout_s = timeout_s;
  return gather_texts(*impl_->transport, operation, text);
}

std::int64_t World::max_of_all(std::int64_t value, double timeout_s) const {
  std::int64_t largest = value;
  for (const std::string& text : gather_to_all(std::to_string(value), timeout_s))
    largest = std::max<std::int64_t>(largest, std::stoll(text));
  return largest;
}

void World::end_all(ExitCode code) const {
  std::fflush(nullptr);
  if (impl_->local_size > 1) announce_exit(code);
  if (impl_->mpi) MPI_Abort(MPI_COMM_WORLD, static_cast<int>(code));
  _exit(static_cast<int>(code));
}

std::unique_ptr<Communicator> make_communicator(const World& world, Backend backend, double timeout_s,
                                                at::Device device) {
  if (backend == Backend::automatic)
    backend = world.size() == 1 ? Backend::single : device.is_cuda() ? Backend::nccl : Backend::mpi;
  switch (backend) {
    case Backend::nccl:
      return make_nccl(world, timeout_s, device);
    case Backend::mpi:
      if (device.is_cuda())
        throw Error(
            ExitCode::usage,
            "parallel.backend=mpi is for tensors in host memory, but this run's tensors are on the GPU. Set "
            "parallel.backend=nccl, or run.device=cpu");
      if (world.size() == 1) break;  // MPI may not be initialised
      return std::make_unique<MpiCommunicator>(MPI_COMM_WORLD, timeout_s, world.ledger());
    default:
      if (world.size() > 1)
        throw Error(
            ExitCode::usage,
            fmt::format(
                "parallel.backend=single is for one rank, but {} were started. Set parallel.backend=auto",
                world.size()));
  }
  return std::make_unique<SingleCommunicator>(device);
}

}  // namespace ebb::comm
