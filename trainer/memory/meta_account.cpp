// SPDX-License-Identifier: Apache-2.0
#include "memory/meta_account.h"

#include <c10/core/Allocator.h>

#include <atomic>
#include <cstdint>
#include <mutex>

#include "base/error.h"
#include "memory/backward_function.h"

namespace ebb::memory {
namespace {

// The account that exists; the deleter of a block is a plain function.
std::atomic<Ledger*> the_ledger{nullptr};
std::atomic<DryMemory*> the_memory{nullptr};
std::atomic<Ledger::Location> the_location{Ledger::Location::host};
std::string the_peak_function;  // of the thread that runs the dry run

// A block has no bytes, so the address of this object stands for it in the ledger.
struct Block {
  void* memory;
  std::size_t bytes;
};

// For ops of GPUs, which hand addresses on. No process has memory there, so an access faults.
void* address_of(const Block* block) {
  constexpr std::uintptr_t kNowhere = std::uintptr_t{1} << 55;
  return reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(block) | kNowhere);
}

void forget(void* context) {
  const auto* const block = static_cast<const Block*>(context);
  if (Ledger* const ledger = the_ledger.load()) ledger->forget(context, the_location.load());
  if (DryMemory* const memory = the_memory.load()) memory->deallocate(block->memory, block->bytes);
  delete block;
}

class MetaAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    Ledger* const ledger = the_ledger.load();
    if (ledger == nullptr || bytes == 0)
      return {nullptr, nullptr, &c10::detail::deleteNothing, c10::Device(c10::kMeta)};
    auto* const block = new Block{the_memory.load()->allocate(bytes), bytes};
    const Ledger::Location location = the_location.load();
    const std::int64_t before = ledger->run_peak_total(location);
    ledger->record(block, static_cast<std::int64_t>(bytes), location);
    if (ledger->run_peak_total(location) > before) the_peak_function = backward_function();
    void* const address = location == Ledger::Location::device ? address_of(block) : nullptr;
    return {address, block, &forget, c10::Device(c10::kMeta)};
  }
  [[nodiscard]] c10::DeleterFnPtr raw_deleter() const override { return nullptr; }
  void copy_data(void*, const void*, std::size_t) const override {}
};

constexpr std::uint8_t kPriority = 100;  // above LibTorch's (0)

}  // namespace

MetaAccount::MetaAccount(Ledger& ledger, DryMemory& memory, Ledger::Location location) {
  static std::once_flag once;
  // Never destroyed: tensors keep a pointer to it.
  std::call_once(once, [] { c10::SetAllocator(c10::kMeta, new MetaAllocator, kPriority); });
  Ledger* none = nullptr;
  if (!the_ledger.compare_exchange_strong(none, &ledger))
    throw Error(ExitCode::internal, "a second MetaAccount was made while one exists");
  the_memory.store(&memory);
  the_location.store(location);
  the_peak_function.clear();
}

const std::string& MetaAccount::peak_function() const {
  return the_peak_function;
}

MetaAccount::~MetaAccount() {
  the_ledger.store(nullptr);
  the_memory.store(nullptr);
}

Ledger* dry_ledger() {
  return the_ledger.load(std::memory_order_relaxed);
}

}  // namespace ebb::memory
