#include <ATen/Parallel.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "base/round_up.h"
#include "numerics/cpu/deal.h"
#include "numerics/cpu/operand.h"
#include "numerics/cpu/packing.h"
#include "numerics/cpu/panels.h"
#include "numerics/cpu/workspace.h"

// The right matrix is packed, as many columns as are not too much and all or much of the inner dimension, by
// all threads; then each thread takes rows of the left one, packs them so that they stay in its own cache,
// and makes their tiles (Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008).
namespace ebb::numerics::cpu {
namespace {

constexpr std::int64_t kMostRows = 8 * kLeftPanel;
constexpr std::int64_t kInnerBytes = 8192;                    // of one row, packed at a time
constexpr std::int64_t kLeftBytes = std::int64_t{448} << 10;  // of a thread's rows
constexpr std::int64_t kRightBytes = std::int64_t{3} << 20;   // of the right matrix, likewise
constexpr std::int64_t kColumnsAtOnce = 512;                  // finished together
constexpr std::int64_t kRightPanelsAtOnce = 4;

// Packed at a time: `rows` of the left and `columns` of the right matrix, `inner` elements each. Where the
// inner dimension is cut, sums of `whole` rows are kept between its parts.
struct Plan {
  std::int64_t size;  // bytes of an element
  std::int64_t threads, rows, columns, inner, whole;
  bool cut;

  [[nodiscard]] std::int64_t right() const { return columns * round_up(inner, 2) * size / 4; }
  [[nodiscard]] std::int64_t left() const { return rows * round_up(inner, 2) * size / 4; }
  [[nodiscard]] std::int64_t sums() const {
    return cut ? whole * columns : threads * rows * std::min(columns, kColumnsAtOnce);
  }
  [[nodiscard]] std::int64_t floats() const { return right() + threads * left() + sums(); }
};

Plan plan_for(std::int64_t m, std::int64_t n, std::int64_t k, std::int64_t size, std::int64_t threads,
              std::int64_t limit) {
  m = std::max<std::int64_t>(m, 1), n = std::max<std::int64_t>(n, 1), k = std::max<std::int64_t>(k, 1);
  limit = std::max(limit, threads * kLeastRoom);
  const auto half = [](std::int64_t& value, std::int64_t multiple) {
    value = round_up((value + 1) / 2, multiple);
  };
  // As many equal parts as it takes.
  const std::int64_t parts = (k * size + kInnerBytes - 1) / kInnerBytes;
  Plan p{size,
         threads,
         std::min(kMostRows, round_up(m, kLeftPanel)),
         round_up(n, kRightPanel),
         round_up((k + parts - 1) / parts, 2),
         round_up(m, kLeftPanel),
         false};
  p.rows = std::min(p.rows, kLeftBytes / size / p.inner / kLeftPanel * kLeftPanel);
  p.columns = std::min(p.columns, kRightBytes / size / p.inner / kRightPanel * kRightPanel);
  p.cut = p.inner < k;
  while (p.floats() > limit) {
    constexpr std::int64_t kFewColumns = 4 * kRightPanel, kFewRows = 2 * kLeftPanel, kFewSteps = 256;
    if (p.cut && p.whole > p.rows && p.whole * p.columns > limit / 2)
      half(p.whole, kLeftPanel);
    else if (p.rows > kFewRows)
      half(p.rows, kLeftPanel);
    else if (p.columns > kFewColumns)
      half(p.columns, kRightPanel);
    else if (p.inner > kFewSteps)
      half(p.inner, 2), p.cut = true;
    else if (p.columns > kRightPanel)
      half(p.columns, kRightPanel);
    else if (p.rows > kLeftPanel)
      half(p.rows, kLeftPanel);
    else if (p.inner > 2)
      half(p.inner, 2), p.cut = true;
    else
      break;
  }
  return p;
}

std::int64_t threads_of(bool in_parallel) {
  return in_parallel ? 1 : at::get_num_threads();
}

std::int64_t panels_in(std::int64_t rows_or_columns, std::int64_t width) {
  return (rows_or_columns + width - 1) / width;
}

bool writes_plainly(const Result& result) {
  return result.kind == Kind::f32 && result.bias == nullptr && result.act == Act::none &&
         result.before == nullptr;
}

struct Way {
  Kind element;
  const Panels* panels;
};

Way way_of(const Product& p) {
  const auto is_brain = [](const Operand& x) { return x.kind == Kind::bf16 || x.may_round; };
  if (is_brain(p.a) && is_brain(p.b))
    if (const Panels* const panels = avx512_panels(Kind::bf16)) return {Kind::bf16, panels};
  return {Kind::f32, avx512_panels(Kind::f32)};
}

// One product in the room that its plan asks for.
class PackedProduct {
 public:
  PackedProduct(const Product& product, const Way& way, const Plan& plan, float* room)
      : p_(product),
        element_(way.element),
        panels_(*way.panels),
        plan_(plan),
        right_(room),
        left_(right_ + plan_.right()),
        sums_(left_ + plan_.threads * plan_.left()) {}

  void run() {
    for (std::int64_t m0 = 0; m0 < p_.m; m0 += plan_.whole)
      for (std::int64_t n0 = 0; n0 < p_.n; n0 += plan_.columns)
        for (std::int64_t k0 = 0; k0 < p_.k; k0 += plan_.inner)
          part({m0, std::min(plan_.whole, p_.m - m0), n0, std::min(plan_.columns, p_.n - n0), k0,
                std::min(plan_.inner, p_.k - k0)});
  }

  // The two steps of a product that its plan makes in one part: panels of the right matrix [begin, end), all
  // of which have to be there before panels of rows are made.
  void pack_right(std::int64_t begin, std::int64_t end) { pack_right(whole(), begin, end); }
  void make_rows(std::int64_t begin, std::int64_t end) { make_rows(whole(), begin, end); }

 private:
  // What is made of the result, and of which elements of the inner dimension.
  struct Part {
    std::int64_t m0, rows, n0, columns, k0, steps;
  };
  [[nodiscard]] Part whole() const { return {0, p_.m, 0, p_.n, 0, p_.k}; }
  [[nodiscard]] std::int64_t words(const Part& part) const {
    return (part.steps + panels_.in_word - 1) / panels_.in_word;
  }

  void part(const Part& part) {
    deal(panels_in(part.columns, kRightPanel), kRightPanelsAtOnce, plan_.threads,
         [&](std::int64_t begin, std::int64_t end) { pack_right(part, begin, end); });
    deal(panels_in(part.rows, kLeftPanel), plan_.rows / kLeftPanel, plan_.threads,
         [&](std::int64_t begin, std::int64_t end) { make_rows(part, begin, end); });
  }

  void pack_right(const Part& part, std::int64_t begin, std::int64_t end) {
    const std::int64_t first = begin * kRightPanel;
    pack(p_.b, panels_, element_, !p_.b.transposed, part.n0 + first,
         std::min(part.columns, end * kRightPanel) - first, part.k0, part.steps, kRightPanel,
         reinterpret_cast<char*>(right_ + first * words(part)));
  }

  // At most plan_.rows of them.
  void make_rows(const Part& part, std::int64_t begin, std::int64_t end) {
    const std::int64_t first = begin * kLeftPanel, rows = std::min(end * kLeftPanel, part.rows) - first;
    const std::int64_t thread = plan_.threads == 1 ? 0 : at::get_thread_num(), steps = words(part);
    const Result& result = p_.result;
    float* const left = left_ + thread * plan_.left();
    pack(p_.a, panels_, element_, p_.a.transposed, part.m0 + first, rows, part.k0, part.steps, kLeftPanel,
         reinterpret_cast<char*>(left));
    // fp32 is made where it belongs, and finished there.
    const bool direct = result.kind == Kind::f32, plain = writes_plainly(result);
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
  Kind element_;
  const Panels& panels_;
  Plan plan_;
  float* right_;
  float* left_;
  float* sums_;
};

}  // namespace

std::int64_t packed_workspace(std::int64_t m, std::int64_t n, std::int64_t k, bool in_parallel) {
  const std::int64_t threads = threads_of(in_parallel), limit = workspace_bytes() / 4;
  return std::max(plan_for(m, n, k, 4, threads, limit).floats(),
                  plan_for(m, n, k, 2, threads, limit).floats());
}

bool packed_product(const Operand& a, const Operand& b, const Result& result, std::int64_t m, std::int64_t n,
                    std::int64_t k, const Room& room) {
  const Product p{a, b, result, m, n, k};
  const Way way = way_of(p);
  if (way.panels == nullptr || k == 0) return false;
  const Plan plan = plan_for(m, n, k, size_of(way.element), threads_of(room.in_parallel),
                             std::min(room.floats, workspace_bytes() / 4));
  if (m > 0 && n > 0) PackedProduct(p, way, plan, room.data).run();
  return true;
}

namespace {

// Of one of `count` products that are made together: each in one part, with its share of the memory.
Plan shared_plan(const Product& p, Kind element, std::size_t count) {
  return plan_for(p.m, p.n, p.k, size_of(element), at::get_num_threads(),
                  workspace_bytes() / 4 / static_cast<std::int64_t>(count));
}

// deal() over the units of several things, one thing's after the other's: body(which, begin, end).
template <class Body>
void deal_all(std::span<const std::int64_t> counts, std::int64_t most, const Body& body) {
  const std::int64_t all = std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
  deal(all, most, at::get_num_threads(), [&](std::int64_t begin, std::int64_t end) {
    for (std::size_t i = 0; i < counts.size() && begin < end; ++i) {
      if (begin < counts[i]) body(i, begin, std::min(end, counts[i]));
      begin = std::max<std::int64_t>(0, begin - counts[i]), end -= counts[i];
    }
  });
}

}  // namespace

std::int64_t together_workspace(std::span<const Product> products) {
  if (avx512_panels(Kind::f32) == nullptr || at::get_num_threads() == 1) return 0;
  std::int64_t floats = 0;
  for (const Product& p : products) {
    if (p.m == 0 || p.n == 0 || p.k == 0) return 0;
    std::int64_t most = 0;
    for (const Kind element : {Kind::f32, Kind::bf16}) {
      const Plan plan = shared_plan(p, element, products.size());
      if (plan.cut || plan.columns < p.n || plan.whole < p.m) return 0;
      most = std::max(most, plan.floats());
    }
    floats += most;
  }
  return floats;
}

void products_together(std::span<const Product> products, float* room) {
  std::vector<PackedProduct> made;
  std::vector<std::int64_t> right, rows;
  std::int64_t most = kMostRows / kLeftPanel;
  for (const Product& p : products) {
    const Way way = way_of(p);
    const Plan plan = shared_plan(p, way.element, products.size());
    made.emplace_back(p, way, plan, room);
    room += plan.floats();
    right.push_back(panels_in(p.n, kRightPanel));
    rows.push_back(panels_in(p.m, kLeftPanel));
    most = std::min(most, plan.rows / kLeftPanel);
  }
  deal_all(right, kRightPanelsAtOnce,
           [&](std::size_t i, std::int64_t begin, std::int64_t end) { made[i].pack_right(begin, end); });
  deal_all(rows, most,
           [&](std::size_t i, std::int64_t begin, std::int64_t end) { made[i].make_rows(begin, end); });
}

}  // namespace ebb::numerics::cpu
