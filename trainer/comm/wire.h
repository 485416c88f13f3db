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

#include "comm/neighbour.h"
#include "comm/notice.h"
#include "memory/kills.h"

namespace ebb::comm {

// A part of a message to or from one rank.
struct Piece {
  int peer = 0;
  std::byte* data = nullptr;  // only read where it is sent
  std::size_t bytes = 0;
};

// Point-to-point messages among all ranks over a communicator of its own, each with a time limit. Its calls
// never block inside MPI: they poll, so that a stopped or lost rank is noticed and named from what was last
// heard of it. One thread at a time, except stop().
//
// After any Error the wire is broken: MPI may still write into buffers of messages under way, so the owner
// must keep those buffers, and the wire, for the rest of the process.
class Wire {
 public:
  // Called by all ranks of `parent`, within timeout_s.
  Wire(MPI_Comm parent, double timeout_s);
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  [[nodiscard]] int rank() const { return rank_; }
  [[nodiscard]] int size() const { return size_; }
  [[nodiscard]] bool broken() const { return broken_; }
  [[nodiscard]] std::string place(int rank) const;  // "rank 3 (node-b)"

  // Starts an operation on all ranks: sends `mine` to every other rank and returns all notices in rank order.
  // Error(communication) where a rank did not come in time, or came with another operation (`same` decides;
  // it compares two notices).
  const std::vector<Notice>& meet(const Operation& operation, const Notice& mine,
                                  bool (*same)(const Notice&, const Notice&));

  // Sends and receives; the pieces to and from one rank match in order and size. Returns when all are done.
  void exchange(const Operation& operation, std::span<const Piece> sends, std::span<const Piece> receives);

  // Ends the call under way, and those to come, with an Error that has the reason. Thread-safe.
  void stop(std::string_view reason);
  [[nodiscard]] bool stopped() const { return stopped_.load(std::memory_order_acquire); }
  [[nodiscard]] std::string stop_reason() const;

  // Marks the wire as broken and tells the other ranks why, so that they need not wait for their time limit.
  void say_farewell(std::string_view reason);

 private:
  enum class Stage { setup, meeting, moving };
  void set_up(MPI_Comm parent, double timeout_s);
  void complete(const Operation& operation, Stage stage);
  void check_stopped(const Operation& operation);
  void check_farewell(const Operation& operation);
  void check_neighbours(const Operation& operation);
  [[noreturn]] void late(const Operation& operation, Stage stage);
  [[noreturn]] void fail(const std::string& message, ExitCode code = ExitCode::communication);
  void must(const Operation& operation, int code, const char* call);
  void post(const Operation& operation, const Piece& piece, int tag, bool send);

  int rank_ = 0;
  int size_ = 1;
  memory::KillWatch kills_;
  std::vector<std::string> hosts_;
  std::vector<Notice> heard_;          // by rank; the last one of each
  std::vector<Neighbour> neighbours_;  // by rank; those that this rank cannot watch are unknown
  // What MPI has addresses of: never freed where the wire is broken.
  struct Held {
    MPI_Comm comm = MPI_COMM_NULL;
    std::vector<Notice> coming;  // receive buffers
    Notice mine;
    std::vector<MPI_Request> requests;  // receives first
    std::vector<char> farewell;
  };
  std::unique_ptr<Held> held_ = std::make_unique<Held>();
  std::vector<int> peers_;  // of each request
  std::vector<int> finished_;
  std::size_t receives_ = 0;
  bool made_ = false;  // MPI sets `comm` before it may be used
  bool broken_ = false;
  std::atomic<bool> stopped_{false};
  mutable std::mutex mutex_;  // guards reason_
  std::string reason_;
};

}  // namespace ebb::comm
