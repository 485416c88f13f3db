#include "comm/wire.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "base/process.h"
#include "comm/reported.h"
#include "memory/kills.h"

namespace ebb::comm {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kNoticeTag = 1;
constexpr int kDataTag = 2;
constexpr int kFarewellTag = 3;
constexpr std::size_t kFarewellBytes = 1024;
constexpr auto kHotTime =
    std::chrono::microseconds(300);  // polled without sleeping: most messages end within it
constexpr auto kNap = std::chrono::microseconds(30);

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

Wire::Wire(MPI_Comm parent, double timeout_s) {
  try {
    set_up(parent, timeout_s);
  } catch (...) {
    (void)held_.release();
    throw;
  }
}

void Wire::set_up(MPI_Comm parent, double timeout_s) {
  const Operation setup{"setting up", "a communicator over MPI", 0, 0, Clock::now(), timeout_s};
  must(setup, MPI_Comm_rank(parent, &rank_), "MPI_Comm_rank");
  must(setup, MPI_Comm_size(parent, &size_), "MPI_Comm_size");
  const auto ranks = static_cast<std::size_t>(size_);
  hosts_.resize(ranks);
  heard_.resize(ranks);
  held_->coming.resize(ranks);

  held_->requests.resize(1);
  peers_ = {-1};
  must(setup, MPI_Comm_idup(parent, &held_->comm, held_->requests.data()), "MPI_Comm_idup");
  complete(setup, Stage::setup);
  made_ = true;
  must(setup, MPI_Comm_set_errhandler(held_->comm, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");

  Notice notice = make_notice(setup);
  notice.numel = ::getpid();
  host_name().copy(notice.payload, Notice::kPayloadBytes - 1);
  const auto& all = meet(setup, notice, [](const Notice&, const Notice&) { return true; });
  for (std::size_t r = 0; r < ranks; ++r) {
    hosts_[r] = all[r].payload;
    neighbours_.push_back(Neighbour::at(hosts_[r], static_cast<pid_t>(all[r].numel)));
  }
}

Wire::~Wire() {
  int finalized = 0;
  MPI_Finalized(&finalized);
  if (broken_) (void)held_.release();
  if (!broken_ && finalized == 0 && held_->comm != MPI_COMM_NULL) MPI_Comm_free(&held_->comm);
}

std::string Wire::place(int rank) const {
  const std::string& host = hosts_[static_cast<std::size_t>(rank)];
  return host.empty() ? fmt::format("rank {}", rank) : fmt::format("rank {} ({})", rank, host);
}

const std::vector<Notice>& Wire::meet(const Operation& operation, const Notice& mine,
                                      bool (*same)(const Notice&, const Notice&)) {
  check_stopped(operation);
  kills_.poll();
  held_->mine = mine;
  held_->requests.clear();
  peers_.clear();
  for (int peer = 0; peer < size_; ++peer) {
    if (peer == rank_) continue;
    auto* to = reinterpret_cast<std::byte*>(&held_->coming[static_cast<std::size_t>(peer)]);
    post(operation, {peer, to, sizeof(Notice)}, kNoticeTag, false);
  }
  receives_ = held_->requests.size();
  for (int peer = 0; peer < size_; ++peer) {
    if (peer != rank_)
      post(operation, {peer, reinterpret_cast<std::byte*>(&held_->mine), sizeof(Notice)}, kNoticeTag, true);
  }
  complete(operation, Stage::meeting);

  held_->coming[static_cast<std::size_t>(rank_)] = held_->mine;
  heard_ = held_->coming;
  for (int peer = 0; peer < size_; ++peer) {
    const Notice& theirs = heard_[static_cast<std::size_t>(peer)];
    if (theirs.sequence == held_->mine.sequence && same(held_->mine, theirs)) continue;
    fail(fmt::format(
        "the ranks disagree: {} started {} with dtype {}, {} elements, op {}, root {}; {} started {} with "
        "dtype {}, {} elements, op {}, root {}. All ranks must start the same collectives in the same "
        "order: look for a decision that only one of them took",
        place(rank_), describe(held_->mine), held_->mine.dtype, held_->mine.numel, held_->mine.op,
        held_->mine.root, place(peer), describe(theirs), theirs.dtype, theirs.numel, theirs.op, theirs.root));
  }
  return heard_;
}

void Wire::exchange(const Operation& operation, std::span<const Piece> sends,
                    std::span<const Piece> receives) {
  held_->requests.clear();
  peers_.clear();
  for (const Piece& piece : receives) post(operation, piece, kDataTag, false);
  receives_ = held_->requests.size();
  for (const Piece& piece : sends) post(operation, piece, kDataTag, true);
  complete(operation, Stage::moving);
}

void Wire::post(const Operation& operation, const Piece& piece, int tag, bool send) {
  MPI_Request request = MPI_REQUEST_NULL;
  const int bytes = static_cast<int>(piece.bytes);
  const int code = send ? MPI_Isend(piece.data, bytes, MPI_BYTE, piece.peer, tag, held_->comm, &request)
                        : MPI_Irecv(piece.data, bytes, MPI_BYTE, piece.peer, tag, held_->comm, &request);
  held_->requests.push_back(request);
  peers_.push_back(piece.peer);
  must(operation, code, send ? "MPI_Isend" : "MPI_Irecv");
}

void Wire::complete(const Operation& operation, Stage stage) {
  finished_.resize(held_->requests.size());
  auto quiet_since = Clock::now(), looked = quiet_since;
  for (;;) {
    int count = 0;
    must(operation,
         MPI_Testsome(static_cast<int>(held_->requests.size()), held_->requests.data(), &count,
                      finished_.data(), MPI_STATUSES_IGNORE),
         "MPI_Testsome");
    if (count == MPI_UNDEFINED) return;
    const auto now = Clock::now();
    check_stopped(operation);
    if (count > 0) {
      quiet_since = now;
      continue;
    }
    if (now - quiet_since < kHotTime) {
      std::this_thread::yield();  // ranks may share cores: let the one that we wait for run
      continue;
    }
    if (stage != Stage::setup) check_farewell(operation);
    if (now - looked > kNeighbourLook) {
      check_neighbours(operation);
      looked = now;
    }
    if (seconds_since(operation.started) > operation.timeout_s) late(operation, stage);
    std::this_thread::sleep_for(kNap);
  }
}

void Wire::check_stopped(const Operation& operation) {
  if (stopped())
    fail(fmt::format("{} was ended on {}: {}", describe(operation), place(rank_), stop_reason()));
}

void Wire::check_farewell(const Operation& operation) {
  int there = 0;
  MPI_Status status;
  must(operation, MPI_Iprobe(MPI_ANY_SOURCE, kFarewellTag, held_->comm, &there, &status), "MPI_Iprobe");
  if (there == 0) return;
  char text[kFarewellBytes] = {};
  must(operation,
       MPI_Recv(text, kFarewellBytes, MPI_BYTE, status.MPI_SOURCE, kFarewellTag, held_->comm,
                MPI_STATUS_IGNORE),
       "MPI_Recv");
  text[kFarewellBytes - 1] = 0;
  const std::string message = fmt::format("{} ended on {}, because {} gave up: {}", describe(operation),
                                          place(rank_), place(status.MPI_SOURCE), text);
  say_farewell(message);
  throw ReportedElsewhere(ExitCode::communication, message);
}

// One that has ended can send nothing more; what it said before is taken first.
void Wire::check_neighbours(const Operation& operation) {
  for (std::size_t i = 0; i < held_->requests.size() && !neighbours_.empty(); ++i) {
    if (held_->requests[i] == MPI_REQUEST_NULL) continue;
    const auto peer = static_cast<std::size_t>(peers_[i]);
    if (const auto code = neighbours_[peer].last_word()) {
      const std::string message = fmt::format("{} ended on {}, because {} has given up", describe(operation),
                                              place(rank_), place(peers_[i]));
      say_farewell(message);
      throw ReportedElsewhere(*code, message);
    }
    if (!neighbours_[peer].has_ended()) continue;
    const bool for_memory = kills_.killed_lately();
    fail(fmt::format("{} cannot end on {} (waited {:.1f} s): {}, process {}, is gone{}; its last was {}",
                     describe(operation), place(rank_), seconds_since(operation.started), place(peers_[i]),
                     neighbours_[peer].pid(),
                     for_memory ? fmt::format(": {} meanwhile", memory::kKilledForMemory) : "",
                     describe(heard_[peer])),
         for_memory ? ExitCode::memory : ExitCode::communication);
  }
}

void Wire::late(const Operation& operation, Stage stage) {
  std::vector<std::string> who;
  for (std::size_t i = 0; stage != Stage::setup && i < held_->requests.size(); ++i) {
    if (held_->requests[i] == MPI_REQUEST_NULL) continue;
    const bool receive = i < receives_;
    if (stage == Stage::meeting && !receive) continue;
    const int peer = peers_[i];
    const Notice& last = heard_[static_cast<std::size_t>(peer)];
    who.push_back(stage == Stage::meeting
                      ? fmt::format("{} has not started it, its last was {}, {} before this", place(peer),
                                    describe(last), operation.sequence - last.sequence)
                      : fmt::format("{} started it from stage {}, but {}", place(peer),
                                    memory::name(stage_of(last)),
                                    receive ? "its data did not come" : "does not take our data"));
  }
  // And who is there already, and from where.
  for (int peer = 0; stage == Stage::meeting && peer < size_; ++peer) {
    const Notice& here = held_->coming[static_cast<std::size_t>(peer)];
    if (peer != rank_ && here.sequence == operation.sequence)
      who.push_back(
          fmt::format("{} waits for it as well, from stage {}", place(peer), memory::name(stage_of(here))));
  }
  std::sort(who.begin(), who.end());
  who.erase(std::unique(who.begin(), who.end()), who.end());
  fail(fmt::format(
      "{} did not end within its limit of {} s on {} (waited {:.1f} s): {}. Look at that rank's last lines: "
      "it "
      "may be stopped, out of memory, or doing other work; parallel.timeout sets the limit",
      describe(operation), operation.timeout_s, place(rank_), seconds_since(operation.started),
      who.empty() ? std::string("a rank did not take part") : fmt::format("{}", fmt::join(who, "; "))));
}

void Wire::must(const Operation& operation, int code, const char* call) {
  if (code != MPI_SUCCESS) {
    fail(fmt::format("{} failed on rank {}: {} says: {}", describe(operation), rank_, call, mpi_text(code)));
  }
}

void Wire::fail(const std::string& message, ExitCode code) {
  say_farewell(message);
  throw Error(code, message);
}

void Wire::say_farewell(std::string_view reason) {
  if (broken_) return;
  broken_ = true;
  if (!made_) return;
  held_->farewell.assign(kFarewellBytes, 0);
  reason.copy(held_->farewell.data(), kFarewellBytes - 1);
  for (int peer = 0; peer < size_; ++peer) {
    MPI_Request request = MPI_REQUEST_NULL;
    if (peer == rank_) continue;
    // Whether it arrives is beyond our help; the buffer lives as long as the process.
    if (MPI_Isend(held_->farewell.data(), kFarewellBytes, MPI_BYTE, peer, kFarewellTag, held_->comm,
                  &request) == MPI_SUCCESS &&
        request != MPI_REQUEST_NULL) {
      MPI_Request_free(&request);
    }
  }
}

void Wire::stop(std::string_view reason) {
  const std::lock_guard lock(mutex_);
  if (stopped()) return;
  reason_ = reason;
  stopped_.store(true, std::memory_order_release);
}

std::string Wire::stop_reason() const {
  const std::lock_guard lock(mutex_);
  return reason_;
}

}  // namespace ebb::comm
