// SPDX-License-Identifier: Apache-2.0
#include "comm/transport.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "base/process.h"
#include "comm/remote_error.h"
#include "memory/oom_kills.h"

namespace ebb::comm {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kNoticeTag = 1;
constexpr int kDataTag = 2;
constexpr int kFailureTag = 3;
constexpr std::size_t kFailureBytes = 1024;
// Most messages complete in this time, so a rank first polls without sleeping.
constexpr auto kBusyPollTime = std::chrono::microseconds(300);
constexpr auto kPollInterval = std::chrono::microseconds(30);

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::string mpi_text(int code) {
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  if (MPI_Error_string(code, text, &length) != MPI_SUCCESS) return fmt::format("MPI error {}", code);
  return {text, static_cast<std::size_t>(length)};
}

}  // namespace

Transport::Transport(MPI_Comm parent, double timeout_s, const memory::Ledger* ledger) : ledger_(ledger) {
  try {
    set_up(parent, timeout_s);
  } catch (...) {
    (void)buffers_.release();
    throw;
  }
}

void Transport::set_up(MPI_Comm parent, double timeout_s) {
  const Operation setup{"setting up", "a communicator over MPI", 0, 0, Clock::now(), timeout_s};
  check_mpi(setup, MPI_Comm_rank(parent, &rank_), "MPI_Comm_rank");
  check_mpi(setup, MPI_Comm_size(parent, &size_), "MPI_Comm_size");
  const auto ranks = static_cast<std::size_t>(size_);
  hosts_.resize(ranks);
  last_notices_.resize(ranks);
  buffers_->incoming.resize(ranks);

  buffers_->requests.resize(1);
  peers_ = {-1};
  check_mpi(setup, MPI_Comm_idup(parent, &buffers_->comm, buffers_->requests.data()), "MPI_Comm_idup");
  complete(setup, Step::setup);
  ready_ = true;
  check_mpi(setup, MPI_Comm_set_errhandler(buffers_->comm, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");

  Notice notice = make_notice(setup);
  notice.set_pid(::getpid());
  host_name().copy(notice.payload, Notice::kPayloadBytes - 1);
  const auto& all = rendezvous(setup, notice, [](const Notice&, const Notice&) { return true; });
  for (std::size_t r = 0; r < ranks; ++r) {
    hosts_[r] = all[r].payload;
    peer_processes_.push_back(PeerProcess::at(hosts_[r], static_cast<pid_t>(all[r].pid())));
  }
}

Transport::~Transport() {
  int finalized = 0;
  MPI_Finalized(&finalized);
  if (broken_) (void)buffers_.release();
  if (!broken_ && finalized == 0 && buffers_->comm != MPI_COMM_NULL) MPI_Comm_free(&buffers_->comm);
}

std::string Transport::rank_name(int rank) const {
  const std::string& host = hosts_[static_cast<std::size_t>(rank)];
  return host.empty() ? fmt::format("rank {}", rank) : fmt::format("rank {} ({})", rank, host);
}

const std::vector<Notice>& Transport::rendezvous(const Operation& operation, const Notice& mine,
                                                 bool (*same)(const Notice&, const Notice&)) {
  check_stopped(operation);
  kills_.poll();
  buffers_->mine = mine;
  if (ledger_ != nullptr) buffers_->mine.stage = static_cast<std::uint8_t>(ledger_->stage());
  buffers_->requests.clear();
  peers_.clear();
  for (int peer = 0; peer < size_; ++peer) {
    if (peer == rank_) continue;
    auto* to = reinterpret_cast<std::byte*>(&buffers_->incoming[static_cast<std::size_t>(peer)]);
    post(operation, {peer, to, sizeof(Notice)}, kNoticeTag, false);
  }
  receives_ = buffers_->requests.size();
  for (int peer = 0; peer < size_; ++peer) {
    if (peer != rank_)
      post(operation, {peer, reinterpret_cast<std::byte*>(&buffers_->mine), sizeof(Notice)}, kNoticeTag,
           true);
  }
  complete(operation, Step::rendezvous);

  buffers_->incoming[static_cast<std::size_t>(rank_)] = buffers_->mine;
  last_notices_ = buffers_->incoming;
  for (int peer = 0; peer < size_; ++peer) {
    const Notice& theirs = last_notices_[static_cast<std::size_t>(peer)];
    if (theirs.sequence == buffers_->mine.sequence && same(buffers_->mine, theirs)) continue;
    fail(fmt::format(
        "the ranks disagree: {} started {} with dtype {}, {} elements, op {}, root {}; {} started {} with "
        "dtype {}, {} elements, op {}, root {}. All ranks must start the same collectives in the same "
        "order. Look for a decision that only one of them took",
        rank_name(rank_), describe(buffers_->mine), buffers_->mine.dtype, buffers_->mine.count,
        buffers_->mine.op, buffers_->mine.root, rank_name(peer), describe(theirs), theirs.dtype, theirs.count,
        theirs.op, theirs.root));
  }
  return last_notices_;
}

void Transport::exchange(const Operation& operation, std::span<const Transfer> sends,
                         std::span<const Transfer> receives) {
  buffers_->requests.clear();
  peers_.clear();
  for (const Transfer& transfer : receives) post(operation, transfer, kDataTag, false);
  receives_ = buffers_->requests.size();
  for (const Transfer& transfer : sends) post(operation, transfer, kDataTag, true);
  complete(operation, Step::transfer);
}

void Transport::post(const Operation& operation, const Transfer& transfer, int tag, bool send) {
  MPI_Request request = MPI_REQUEST_NULL;
  const int bytes = static_cast<int>(transfer.bytes);
  const int code =
      send ? MPI_Isend(transfer.data, bytes, MPI_BYTE, transfer.peer, tag, buffers_->comm, &request)
           : MPI_Irecv(transfer.data, bytes, MPI_BYTE, transfer.peer, tag, buffers_->comm, &request);
  buffers_->requests.push_back(request);
  peers_.push_back(transfer.peer);
  check_mpi(operation, code, send ? "MPI_Isend" : "MPI_Irecv");
}

void Transport::complete(const Operation& operation, Step step) {
  finished_.resize(buffers_->requests.size());
  auto idle_since = Clock::now(), checked = idle_since;
  for (;;) {
    int count = 0;
    check_mpi(operation,
              MPI_Testsome(static_cast<int>(buffers_->requests.size()), buffers_->requests.data(), &count,
                           finished_.data(), MPI_STATUSES_IGNORE),
              "MPI_Testsome");
    if (count == MPI_UNDEFINED) return;
    const auto now = Clock::now();
    check_stopped(operation);
    if (count > 0) {
      idle_since = now;
      continue;
    }
    if (now - idle_since < kBusyPollTime) {
      std::this_thread::yield();  // ranks may share cores, so let the awaited one run
      continue;
    }
    if (step != Step::setup) check_failures(operation);
    if (now - checked > kPeerCheckInterval) {
      check_peer_processes(operation);
      checked = now;
    }
    if (seconds_since(operation.started) > operation.timeout_s) fail_late(operation, step);
    std::this_thread::sleep_for(kPollInterval);
  }
}

void Transport::check_stopped(const Operation& operation) {
  if (stopped())
    fail(fmt::format("{} was ended on {}: {}", describe(operation), rank_name(rank_), stop_reason()));
}

void Transport::check_failures(const Operation& operation) {
  int there = 0;
  MPI_Status status;
  check_mpi(operation, MPI_Iprobe(MPI_ANY_SOURCE, kFailureTag, buffers_->comm, &there, &status),
            "MPI_Iprobe");
  if (there == 0) return;
  char text[kFailureBytes] = {};
  check_mpi(operation,
            MPI_Recv(text, kFailureBytes, MPI_BYTE, status.MPI_SOURCE, kFailureTag, buffers_->comm,
                     MPI_STATUS_IGNORE),
            "MPI_Recv");
  text[kFailureBytes - 1] = 0;
  const std::string message = fmt::format("{} ended on {}, because {} gave up: {}", describe(operation),
                                          rank_name(rank_), rank_name(status.MPI_SOURCE), text);
  announce_failure(message);
  throw RemoteError(ExitCode::communication, message);
}

// Runs after check_failures(), since an ended rank may have sent its reason before.
void Transport::check_peer_processes(const Operation& operation) {
  for (std::size_t i = 0; i < buffers_->requests.size() && !peer_processes_.empty(); ++i) {
    if (buffers_->requests[i] == MPI_REQUEST_NULL) continue;
    const auto peer = static_cast<std::size_t>(peers_[i]);
    if (const auto code = peer_processes_[peer].announced_exit()) {
      const std::string message = fmt::format("{} ended on {}, because {} has given up", describe(operation),
                                              rank_name(rank_), rank_name(peers_[i]));
      announce_failure(message);
      throw RemoteError(*code, message);
    }
    if (!peer_processes_[peer].has_ended()) continue;
    const bool for_memory = kills_.oom_killed_recently();
    fail(fmt::format("{} cannot complete on {} (waited {:.1f} s): {}, process {}, is gone{}; its last "
                     "operation was {}",
                     describe(operation), rank_name(rank_), seconds_since(operation.started),
                     rank_name(peers_[i]), peer_processes_[peer].pid(),
                     for_memory ? fmt::format(": {} meanwhile", memory::kOomKillMessage) : "",
                     describe(last_notices_[peer])),
         for_memory ? ExitCode::memory : ExitCode::communication);
  }
}

void Transport::fail_late(const Operation& operation, Step step) {
  std::vector<std::string> states;
  for (std::size_t i = 0; step != Step::setup && i < buffers_->requests.size(); ++i) {
    if (buffers_->requests[i] == MPI_REQUEST_NULL) continue;
    const bool receive = i < receives_;
    if (step == Step::rendezvous && !receive) continue;
    const int peer = peers_[i];
    const Notice& last = last_notices_[static_cast<std::size_t>(peer)];
    states.push_back(
        step == Step::rendezvous
            ? fmt::format("{} has not started it; its last operation was {}, {} before this", rank_name(peer),
                          describe(last), operation.sequence - last.sequence)
            : fmt::format("{} started it from stage {}, but {}", rank_name(peer),
                          memory::name(stage_of(last)),
                          receive ? "its data did not arrive" : "does not receive the data of this rank"));
  }
  // Also list the ranks that have started it, and their stages.
  for (int peer = 0; step == Step::rendezvous && peer < size_; ++peer) {
    const Notice& theirs = buffers_->incoming[static_cast<std::size_t>(peer)];
    if (peer != rank_ && theirs.sequence == operation.sequence)
      states.push_back(fmt::format("{} also waits for it, from stage {}", rank_name(peer),
                                   memory::name(stage_of(theirs))));
  }
  std::sort(states.begin(), states.end());
  states.erase(std::unique(states.begin(), states.end()), states.end());
  fail(fmt::format(
      "{} did not complete within its limit of {} s on {} (waited {:.1f} s): {}. Look at the last lines of "
      "{}. Such a rank may be stopped, out of memory, or busy; parallel.timeout sets the limit",
      describe(operation), operation.timeout_s, rank_name(rank_), seconds_since(operation.started),
      states.empty() ? std::string("a rank is missing") : fmt::format("{}", fmt::join(states, "; ")),
      step == Step::rendezvous ? "the ranks that have not started it" : "the other ranks"));
}

void Transport::check_mpi(const Operation& operation, int code, const char* call) {
  if (code != MPI_SUCCESS) {
    fail(fmt::format("{} failed on rank {}: {} says: {}", describe(operation), rank_, call, mpi_text(code)));
  }
}

void Transport::fail(const std::string& message, ExitCode code) {
  announce_failure(message);
  throw Error(code, message);
}

void Transport::announce_failure(std::string_view reason) {
  if (broken_) return;
  broken_ = true;
  if (!ready_) return;
  buffers_->failure.assign(kFailureBytes, 0);
  reason.copy(buffers_->failure.data(), kFailureBytes - 1);
  for (int peer = 0; peer < size_; ++peer) {
    MPI_Request request = MPI_REQUEST_NULL;
    if (peer == rank_) continue;
    // The message may be lost. Its buffer lives until the process ends.
    if (MPI_Isend(buffers_->failure.data(), kFailureBytes, MPI_BYTE, peer, kFailureTag, buffers_->comm,
                  &request) == MPI_SUCCESS &&
        request != MPI_REQUEST_NULL) {
      MPI_Request_free(&request);
    }
  }
}

void Transport::stop(std::string_view reason) {
  const std::lock_guard lock(mutex_);
  if (stopped()) return;
  reason_ = reason;
  stopped_.store(true, std::memory_order_release);
}

std::string Transport::stop_reason() const {
  const std::lock_guard lock(mutex_);
  return reason_;
}

}  // namespace ebb::comm
