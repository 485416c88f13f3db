// SPDX-License-Identifier: Apache-2.0
// Prints one JSON object:
//   block_s      seconds that the ledger adds to the allocation and release of one block
//   gate_s       seconds that the ledger costs at the end of a step: peaks, stages and the leak gate
//   order_bytes  resident bytes of the order of samples: at 10^9 samples minus at 10^5
#include <ATen/ATen.h>
#include <c10/core/CPUAllocator.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/sampler.h"
#include "memory/cpu_allocator.h"
#include "memory/leak_gate.h"
#include "memory/ledger.h"
#include "memory/system_memory.h"

namespace {

using Clock = std::chrono::steady_clock;
using ebb::memory::Class;
using ebb::memory::Ledger;
using ebb::memory::Stage;

constexpr int kRounds = 21;

// Seconds of one call: the median over the rounds, each of `calls` calls.
template <class F>
double seconds_each(int calls, const F& call) {
  std::vector<double> rounds;
  for (int round = 0; round < kRounds; ++round) {
    const auto start = Clock::now();
    for (int i = 0; i < calls; ++i) call();
    rounds.push_back(std::chrono::duration<double>(Clock::now() - start).count() / calls);
  }
  std::nth_element(rounds.begin(), rounds.begin() + kRounds / 2, rounds.end());
  return rounds[kRounds / 2];
}

// Resident bytes after the sampler has computed 100,000 of its samples.
std::int64_t resident_with_order(std::int64_t samples, const Ledger& ledger) {
  const ebb::data::Sampler sampler(samples, 1, true);
  std::int64_t sum = 0;
  for (std::int64_t position = 0; position < 100'000; ++position)
    sum ^= sampler.sample_at(position * (samples / 100'000));
  std::printf("%s", sum == -1 ? " " : "");  // keeps the compiler from removing the loop
  return ebb::memory::measure_system_memory(ledger).resident;
}

}  // namespace

int main() {
  at::Allocator& plain = *c10::GetCPUAllocator();
  auto* ledger = new Ledger;                    // outlives every tensor
  (void)resident_with_order(100'000, *ledger);  // the first call also loads code, which is not counted
  const auto small = resident_with_order(100'000, *ledger);
  const auto order_bytes = resident_with_order(1'000'000'000, *ledger) - small;
  ebb::memory::install(*ledger);
  ledger->keep_history(Ledger::Location::host, 100'000);  // as a run does
  at::Allocator& tracked = *c10::GetCPUAllocator();

  // As in a step of the VAE: about two hundred live blocks of a few dozen owners.
  std::vector<at::Tensor> alive;
  for (int owner = 0; owner < 24; ++owner) {
    const ebb::memory::Tag tag(Class::activations, "unit " + std::to_string(owner));
    for (int i = 0; i < 8; ++i) alive.push_back(at::empty({64}, at::kFloat));
  }
  const ebb::memory::Tag tag(Class::workspace, "bench");
  constexpr int kCalls = 20'000;
  constexpr std::size_t kBytes = 256;
  const double without = seconds_each(kCalls, [&] { (void)plain.allocate(kBytes); });
  const double with = seconds_each(kCalls, [&] { (void)tracked.allocate(kBytes); });

  ebb::memory::LeakGate gate(*ledger, ebb::memory::LeakPolicy::error);
  std::int64_t step = 0;
  const double end_of_step = seconds_each(200, [&] {
    ledger->reset_peaks();
    for (const Stage stage :
         {Stage::load, Stage::forward, Stage::backward, Stage::reduce, Stage::update, Stage::setup})
      ledger->enter(stage);
    (void)gate.check(step++);
  });
  const nlohmann::json result = {
      {"block_s", with - without}, {"gate_s", end_of_step}, {"order_bytes", order_bytes}};
  std::printf("%s\n", result.dump().c_str());
  return 0;
}
