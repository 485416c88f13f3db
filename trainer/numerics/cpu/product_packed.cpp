// SPDX-License-Identifier: Apache-2.0
#include <ATen/Parallel.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

#include "base/round_up.h"
#include "numerics/cpu/guided_schedule.h"
#include "numerics/cpu/operand.h"
#include "numerics/cpu/packing.h"
#include "numerics/cpu/panels.h"
#include "numerics/instruction_set.h"

// All threads pack up to 3 MiB of the right matrix. Then each thread packs rows of the left one, which stay
// in its own cache, and computes their tiles (Goto and van de Geijn, "Anatomy of high-performance matrix
// multiplication", 2008).
namespace ebb::numerics::cpu {
namespace {

constexpr std::int64_t kMostRows = 8 * kLeftPanel;
// Bytes that are packed at a time.
constexpr std::int64_t kInnerBytes = 8192;                    // of a row
constexpr std::int64_t kLeftBytes = std::int64_t{448} << 10;  // of the left matrix: a thread's rows
constexpr std::int64_t kRightBytes = std::int64_t{3} << 20;   // of the right matrix, shared by all threads
constexpr std::int64_t kOwnBytes = std::int64_t{512} << 10;   // of the right matrix, packed by each thread

constexpr std::int64_t kColumnsAtOnce = 256;  // of the result, finished before the next ones begin
constexpr std::int64_t kRightPanelsAtOnce = 4;

std::int64_t blocks_in(std::int64_t length, std::int64_t block) {
  return (length + block - 1) / block;
}

// The part that is packed at a time: `rows` of the left and `columns` of the right matrix, `inner` elements
// each. If the inner dimension is cut, the sums of `summed_rows` rows are held between its parts.
struct Plan {
  std::int64_t size;  // bytes of an element
  std::int64_t threads, rows, columns, inner, summed_rows;
  bool cut;

  [[nodiscard]] std::int64_t right() const { return columns * round_up(inner, 2) * size / 4; }
  [[nodiscard]] std::int64_t left() const { return rows * round_up(inner, 2) * size / 4; }
  [[nodiscard]] std::int64_t sums() const {
    return cut ? summed_rows * columns : threads * rows * std::min(columns, kColumnsAtOnce);
  }
  [[nodiscard]] std::int64_t floats() const { return right() + threads * left() + sums(); }
};

struct Sizes {
  std::int64_t m, n, k;
};

// The plan without a limit of memory.
Plan unlimited_plan(const Sizes& of, std::int64_t size, bool in_parallel) {
  const std::int64_t parts = blocks_in(of.k * size, kInnerBytes);
  const std::int64_t inner = round_up(blocks_in(of.k, parts), 2), bytes = inner * size;
  return {size,
          in_parallel ? 1 : at::get_num_threads(),
          std::min({kMostRows, kLeftBytes / bytes / kLeftPanel * kLeftPanel, round_up(of.m, kLeftPanel)}),
          std::min((in_parallel ? kOwnBytes : kRightBytes) / bytes / kRightPanel * kRightPanel,
                   round_up(of.n, kRightPanel)),
          inner,
          round_up(of.m, kLeftPanel),
          inner < of.k};
}

// Elements that a plan packs, reads again and writes again. The last term is for a right matrix that serves
// few rows: it is read from a shared cache.
std::int64_t moved(const Plan& p, const Sizes& of) {
  return of.m * of.k * blocks_in(of.n, p.columns) + of.n * of.k * blocks_in(of.m, p.summed_rows) +
         2 * of.m * of.n * (blocks_in(of.k, p.inner) - 1) + of.n * of.k * blocks_in(of.m, p.rows) / 8;
}

// The plan within `limit` floats that moves the least.
Plan plan_for(const Sizes& asked, std::int64_t size, bool in_parallel, std::int64_t limit) {
  const Sizes of{std::max<std::int64_t>(asked.m, 1), std::max<std::int64_t>(asked.n, 1),
                 std::max<std::int64_t>(asked.k, 1)};
  const Plan unlimited = unlimited_plan(of, size, in_parallel);
  limit = std::max(limit, unlimited.threads * kMinScratch);
  if (unlimited.floats() <= limit) return unlimited;
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  Plan best{};
  const auto half = [](std::int64_t value, std::int64_t multiple) {
    return value == multiple ? 0 : round_up((value + 1) / 2, multiple);
  };
  for (std::int64_t inner = unlimited.inner; inner > 0; inner = half(inner, 2))
    for (std::int64_t columns = unlimited.columns; columns > 0; columns = half(columns, kRightPanel))
      for (std::int64_t rows = unlimited.rows; rows > 0; rows = half(rows, kLeftPanel)) {
        Plan p{size, unlimited.threads, rows, columns, inner, unlimited.summed_rows, inner < of.k};
        if (p.cut) {  // as many rows as fit, in equal parts
          const std::int64_t fitting = (limit - p.right() - p.threads * p.left()) / columns;
          if (fitting < rows) continue;
          const std::int64_t parts =
              blocks_in(of.m, std::min(p.summed_rows, fitting / kLeftPanel * kLeftPanel));
          p.summed_rows = round_up(blocks_in(of.m, parts), kLeftPanel);
        }
        if (p.floats() > limit) continue;
        if (const std::int64_t cost = moved(p, of); cost < least) least = cost, best = p;
      }
  return best;
}

bool writes_plainly(const Result& result) {
  return result.dtype == Dtype::fp32 && result.bias == nullptr && result.act == Activation::none &&
         result.pre_activation == nullptr;
}

struct Path {
  Dtype element;
  const Panels* panels;
};

Path path_of(const Product& p) {
  const auto is_bf16 = [](const Operand& x) { return x.dtype == Dtype::bf16 || x.may_round; };
  if (is_bf16(p.a) && is_bf16(p.b))
    if (const Panels* const panels = avx512_panels(Dtype::bf16)) return {Dtype::bf16, panels};
  return {Dtype::fp32, avx512_panels(Dtype::fp32)};
}

// One product in the scratch of its plan.
class PackedProduct {
 public:
  PackedProduct(const Product& product, const Path& path, const Plan& plan, float* scratch)
      : p_(product),
        element_(path.element),
        panels_(*path.panels),
        plan_(plan),
        right_(scratch),
        left_(right_ + plan_.right()),
        sums_(left_ + plan_.threads * plan_.left()) {}

  void run() {
    for (std::int64_t m0 = 0; m0 < p_.m; m0 += plan_.summed_rows)
      for (std::int64_t n0 = 0; n0 < p_.n; n0 += plan_.columns)
        for (std::int64_t k0 = 0; k0 < p_.k; k0 += plan_.inner)
          make({m0, std::min(plan_.summed_rows, p_.m - m0), n0, std::min(plan_.columns, p_.n - n0), k0,
                std::min(plan_.inner, p_.k - k0)});
  }

  // The two steps of a product whose plan has one part. All panels of the right matrix must be packed before
  // make_rows() runs.
  void pack_right(std::int64_t begin, std::int64_t end) { pack_right(all(), begin, end); }
  void make_rows(std::int64_t begin, std::int64_t end) { make_rows(all(), begin, end); }

 private:
  // A part of the result, and the elements of the inner dimension that it sums.
  struct Part {
    std::int64_t m0, rows, n0, columns, k0, steps;
  };
  [[nodiscard]] Part all() const { return {0, p_.m, 0, p_.n, 0, p_.k}; }
  [[nodiscard]] std::int64_t words(const Part& part) const { return blocks_in(part.steps, panels_.in_word); }

  void make(const Part& part) {
    guided_schedule(blocks_in(part.columns, kRightPanel), kRightPanelsAtOnce, plan_.threads,
                    [&](std::int64_t begin, std::int64_t end) { pack_right(part, begin, end); });
    guided_schedule(blocks_in(part.rows, kLeftPanel), plan_.rows / kLeftPanel, plan_.threads,
                    [&](std::int64_t begin, std::int64_t end) { make_rows(part, begin, end); });
  }

  void pack_right(const Part& part, std::int64_t begin, std::int64_t end) {
    const std::int64_t first = begin * kRightPanel;
    pack(p_.b, panels_, element_, !p_.b.transposed, part.n0 + first,
         std::min(part.columns, end * kRightPanel) - first, part.k0, part.steps, kRightPanel,
         reinterpret_cast<char*>(right_ + first * words(part)));
  }

  void make_rows(const Part& part, std::int64_t begin, std::int64_t end) {
    const std::int64_t most = plan_.rows / kLeftPanel;
    for (; begin < end; begin += most) make_block(part, begin, std::min(end, begin + most));
  }

  // Panels of rows that are packed at a time.
  void make_block(const Part& part, std::int64_t begin, std::int64_t end) {
    const std::int64_t first = begin * kLeftPanel, rows = std::min(end * kLeftPanel, part.rows) - first;
    const std::int64_t thread = plan_.threads == 1 ? 0 : at::get_thread_num(), steps = words(part);
    const Result& result = p_.result;
    float* const left = left_ + thread * plan_.left();
    pack(p_.a, panels_, element_, p_.a.transposed, part.m0 + first, rows, part.k0, part.steps, kLeftPanel,
         reinterpret_cast<char*>(left));
    // fp32 is computed and finished in the result itself.
    const bool direct = result.dtype == Dtype::fp32, plain = writes_plainly(result);
    float* const sums = sums_ + (plan_.cut ? first * part.columns
                                           : thread * plan_.rows * std::min(plan_.columns, kColumnsAtOnce));
    for (std::int64_t n1 = 0; n1 < part.columns; n1 += kColumnsAtOnce) {
      const std::int64_t here = std::min(kColumnsAtOnce, part.columns - n1);
      float* const c = direct ? static_cast<float*>(result.out) + (part.m0 + first) * p_.n + part.n0 + n1
                              : sums + (plan_.cut ? n1 : 0);
      const std::int64_t ldc = direct ? p_.n : plan_.cut ? part.columns : here;
      for (std::int64_t column = 0; column < here; column += kRightPanel)
        for (std::int64_t r = 0; r < rows; r += kLeftPanel)
          panels_.tile(left + r * steps, right_ + (n1 + column) * steps, steps,
                       std::min(kLeftPanel, rows - r), std::min(kRightPanel, here - column),
                       part.k0 > 0 || (plain && result.accumulate), c + r * ldc + column, ldc);
      if (!plain && part.k0 + part.steps == p_.k)
        store_rows(result, p_.n, part.m0 + first, rows, part.n0 + n1, here, c, ldc);
    }
  }

  const Product& p_;
  Dtype element_;
  const Panels& panels_;
  Plan plan_;
  float* right_;
  float* left_;
  float* sums_;
};

}  // namespace

std::int64_t packed_workspace(std::int64_t m, std::int64_t n, std::int64_t k, bool in_parallel,
                              std::int64_t workspace_bytes) {
  const std::int64_t limit = workspace_bytes / 4;
  return std::max(plan_for({m, n, k}, 4, in_parallel, limit).floats(),
                  plan_for({m, n, k}, 2, in_parallel, limit).floats());
}

bool packed_product(const Operand& a, const Operand& b, const Result& result, std::int64_t m, std::int64_t n,
                    std::int64_t k, const Scratch& scratch) {
  const Product p{a, b, result, m, n, k};
  const Path path = path_of(p);
  if (path.panels == nullptr || k == 0 || instruction_set() > best_instruction_set()) return false;
  const Plan plan = plan_for({m, n, k}, size_of(path.element), scratch.in_parallel,
                             std::min(scratch.floats, scratch.workspace_bytes / 4));
  if (m > 0 && n > 0) PackedProduct(p, path, plan, scratch.data).run();
  return true;
}

namespace {

Plan unlimited_plan(const Product& p, Dtype element) {
  return unlimited_plan(Sizes{p.m, p.n, p.k}, size_of(element), /*in_parallel=*/false);
}

// Each product's part of the scratch is aligned to a vector.
std::int64_t scratch_of(const Plan& plan) {
  return round_up(plan.floats(), 16);
}

// guided_schedule() over the units of several products, one product after the other: body(which, begin, end).
template <class Body>
void guided_schedule_all(std::span<const std::int64_t> counts, std::int64_t most, const Body& body) {
  const std::int64_t all = std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
  guided_schedule(all, most, at::get_num_threads(), [&](std::int64_t begin, std::int64_t end) {
    for (std::size_t i = 0; i < counts.size() && begin < end; ++i) {
      if (begin < counts[i]) body(i, begin, std::min(end, counts[i]));
      begin = std::max<std::int64_t>(0, begin - counts[i]), end -= counts[i];
    }
  });
}

}  // namespace

std::int64_t grouped_workspace(std::span<const Product> products, std::int64_t workspace_bytes) {
  if (avx512_panels(Dtype::fp32) == nullptr || at::get_num_threads() == 1) return 0;
  std::int64_t floats = 0;
  for (const Product& p : products) {
    if (p.m == 0 || p.n == 0 || p.k == 0) return 0;
    std::int64_t most = 0;
    for (const Dtype element : {Dtype::fp32, Dtype::bf16}) {
      const Plan plan = unlimited_plan(p, element);
      if (plan.cut || plan.columns < p.n) return 0;
      most = std::max(most, scratch_of(plan));
    }
    floats += most;
  }
  return floats <= workspace_bytes / 4 ? floats : 0;
}

void grouped_products(std::span<const Product> products, float* scratch) {
  // Rows with a long inner dimension take longest, so they start first.
  std::vector<const Product*> longest_first;
  for (const Product& p : products) longest_first.push_back(&p);
  std::ranges::stable_sort(longest_first, std::greater<>(), &Product::k);
  std::vector<PackedProduct> made;
  std::vector<std::int64_t> right, rows;
  for (const Product* const p : longest_first) {
    const Path path = path_of(*p);
    const Plan plan = unlimited_plan(*p, path.element);
    made.emplace_back(*p, path, plan, scratch);
    scratch += scratch_of(plan);
    right.push_back(blocks_in(p->n, kRightPanel));
    rows.push_back(blocks_in(p->m, kLeftPanel));
  }
  guided_schedule_all(right, kRightPanelsAtOnce, [&](std::size_t i, std::int64_t begin, std::int64_t end) {
    made[i].pack_right(begin, end);
  });
  guided_schedule_all(rows, kMostRows / kLeftPanel, [&](std::size_t i, std::int64_t begin, std::int64_t end) {
    made[i].make_rows(begin, end);
  });
}

}  // namespace ebb::numerics::cpu
