// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "memory/ledger.h"

namespace ebb::memory {

class BlockCache;

// An allocation that failed or was refused.
struct FailedAllocation {
  Ledger::Location location = Ledger::Location::host;
  std::int64_t bytes = 0;  // requested
  Class cls = Class::activations;
  std::string_view owner;
  // By how much the limit is exceeded, in bytes, and what the limit is, such as "memory.budget is 6.0 GiB".
  // -1 and an empty text: the system refused it without a limit of ours.
  std::int64_t missing = -1;
  std::string limit{};
};

// Its code is ExitCode::memory.
class OutOfMemory : public Error {
 public:
  struct Facts {
    Ledger::Location location;
    Stage stage;
    std::int64_t missing;  // bytes by which this rank exceeds its limit; -1: there was no limit
    std::int64_t held;     // at the failure: held_bytes() on the host, live bytes on a device
  };
  OutOfMemory(const std::string& message, const Facts& facts)
      : Error(ExitCode::memory, message), facts_(facts) {}
  [[nodiscard]] const Facts& facts() const { return facts_; }

 private:
  Facts facts_;
};

// A line for each of: stage, function of backward, request and live bytes; the limit; live bytes by class;
// the largest owners; free memory that does not serve the request. `cache`: null if there is none.
std::string out_of_memory_message(const Ledger& ledger, const BlockCache* cache,
                                  const FailedAllocation& failed);

// Writes down the state of a rank at a failure, before memory is freed.
class FailureReporter {
 public:
  virtual ~FailureReporter() = default;
  // `what`: the text of the error. Returns lines for its end. May be called from any thread that allocates;
  // must not allocate tensors or Buffers.
  virtual std::string report(const std::string& what) = 0;
};
// Of this process; null: none. The object must live until it is replaced.
void set_failure_reporter(FailureReporter* reporter);

// `what` with the lines of the reporter. If that fails, a line says why.
std::string reported(const std::string& what);

// Throws OutOfMemory with out_of_memory_message(), after the reporter.
[[noreturn]] void fail(const Ledger& ledger, const BlockCache* cache, const FailedAllocation& failed);

// "optimizer 14.5 GiB, activations 9.6 GiB": the largest `most` of the classes with bytes, the largest first.
std::string largest_classes(const Sums& sums, std::size_t most = kClasses);

// Memory of the host that no tensor and no Buffer uses, in bytes.
struct FreeMemory {
  std::int64_t kept = 0, blocks = 0, largest = 0;  // of the cache: all, their number, the largest block
  std::int64_t malloc = 0;
};
FreeMemory measure_free_memory(const BlockCache* cache);  // null: there is none

}  // namespace ebb::memory
