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
  // Without a limit: what the request lacks, at most all of it, and an empty text.
  std::int64_t missing = 0;
  std::string limit;
};

// Its code is ExitCode::memory.
class OutOfMemory : public Error {
 public:
  OutOfMemory(const std::string& message, const FailedAllocation& failed)
      : Error(ExitCode::memory, message), location_(failed.location), missing_(failed.missing) {}
  [[nodiscard]] Ledger::Location location() const { return location_; }
  [[nodiscard]] std::int64_t missing() const { return missing_; }  // bytes of this rank

 private:
  Ledger::Location location_;
  std::int64_t missing_;
};

// A sentence for each of: stage, function, request and live bytes; the limit; live bytes by class; the
// largest owners; free memory that does not serve the request. `cache`: null if there is none.
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

}  // namespace ebb::memory
