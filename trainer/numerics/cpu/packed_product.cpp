#include <ATen/Parallel.h>

#include <algorithm>

#include "base/round_up.h"
#include "numerics/cpu/deal.h"
#include "numerics/cpu/operand.h"
#include "numerics/cpu/panels.h"
#include "numerics/cpu/workspace.h"

// The right matrix is packed, as many columns as are not too much and all or much of the inner dimension, by
// all threads; then each thread takes rows of the left one, packs them so that they stay in its own cache,
// and makes their tiles (Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008).
namespace ebb::numerics::cpu {
namespace {

constexpr std::int64_t kMostRows = 8 * kLeftPanel;
constexpr std::int64_t kInnerBytes = 4096;                   // of one row, packed at a time
constexpr std::int64_t kRightBytes = std::int64_t{2} << 20;  // of the right matrix, likewise
constexpr std::int64_t kColumnsAtOnce = 512;                 // finished together
constexpr std::int64_t kScratchBytes = 32768;
constexpr std::int64_t kStepsAtOnce = 16;  // of the inner dimension, where it lies across the rows as stored

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
  Plan p{size,
         threads,
         std::min(kMostRows, round_up(m, kLeftPanel)),
         round_up(n, kRightPanel),
         std::min(kInnerBytes / size, round_up(k, 2)),
         round_up(m, kLeftPanel),
         false};
  p.columns = std::min(p.columns, kRightBytes / size / p.inner / kRightPanel * kRightPanel);
  p.cut = p.inner < k;
  while (p.floats() > limit) {
    constexpr std::int64_t kFewColumns = 4 * kRightPanel, kFewRows = 2 * kLeftPanel, kFewSteps = 256;
    if (p.cut && p.whole > p.rows && p.whole * p.columns > limit / 2)
      half(p.whole, kLeftPanel);
    else if (p.columns > kFewColumns)
      half(p.columns, kRightPanel);
    else if (p.rows > kFewRows)
      half(p.rows, kLeftPanel);
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

struct Piece {
  const char* data;
  std::int64_t stride;  // bytes between its rows
  Kind kind;
};

// Rows and columns as stored: where they lie if packing reads their kind, or rounded to bf16 in `scratch`.
Piece piece_of(const Operand& a, Kind element, std::int64_t r0, std::int64_t rows, std::int64_t c0,
               std::int64_t columns, char* scratch) {
  if (element == Kind::f32 || a.kind == element)
    return {element_of(a, r0, c0), a.step() * size_of(a.kind), a.kind};
  const std::int64_t stride = columns * size_of(element);
  for (std::int64_t r = 0; r < rows; ++r)
    kernels().from_float(element, reinterpret_cast<const float*>(element_of(a, r0 + r, c0)),
                         scratch + r * stride, columns);
  return {scratch, stride, element};
}

// Elements [first, first + count) of the outer and [k0, k0 + steps) of the inner dimension, as panels of
// `width`. The inner dimension lies along the rows as stored, or (`across`) across them.
void pack(const Operand& a, const Panels& panels, Kind element, bool across, std::int64_t first,
          std::int64_t count, std::int64_t k0, std::int64_t steps, std::int64_t width, char* out) {
  alignas(64) char scratch[kScratchBytes];
  const std::int64_t words = (steps + panels.in_word - 1) / panels.in_word;
  const std::int64_t panel_bytes = words * width * 4;
  const auto at_step = [&](std::int64_t p, std::int64_t k) {
    return out + p / width * panel_bytes + k / panels.in_word * width * 4;
  };
  if (across) {
    const std::int64_t most = kColumnsAtOnce / width * width;
    for (std::int64_t k = 0; k < steps; k += kStepsAtOnce) {
      const std::int64_t here = std::min(kStepsAtOnce, steps - k);
      for (std::int64_t c = 0; c < count; c += most) {
        const std::int64_t columns = std::min(most, count - c);
        const Piece piece = piece_of(a, element, k0 + k, here, first + c, columns, scratch);
        for (std::int64_t p = 0; p < columns; p += width)
          panels.pack_columns(piece.kind, piece.data + p * size_of(piece.kind), piece.stride, here,
                              std::min(width, columns - p), width, at_step(c + p, k));
      }
    }
    return;
  }
  const std::int64_t most = kScratchBytes / (width * 4) / 2 * 2;  // pairs stay together
  for (std::int64_t p = 0; p < count; p += width) {
    const std::int64_t rows = std::min(width, count - p);
    for (std::int64_t k = 0; k < steps; k += most) {
      const std::int64_t here = std::min(most, steps - k);
      const Piece piece = piece_of(a, element, first + p, rows, k0 + k, here, scratch);
      panels.pack_rows(piece.kind, piece.data, piece.stride, rows, here, width, at_step(p, k));
    }
  }
}

bool writes_plainly(const Result& result) {
  return result.kind == Kind::f32 && result.bias == nullptr && result.act == Act::none &&
         result.before == nullptr;
}

class PackedProduct {
 public:
  PackedProduct(const Operand& a, const Operand& b, const Result& result, Kind element, const Panels& panels,
                std::int64_t m, std::int64_t n, std::int64_t k, const Room& room)
      : a_(a),
        b_(b),
        result_(result),
        element_(element),
        panels_(panels),
        m_(m),
        n_(n),
        k_(k),
        plan_(plan_for(m, n, k, size_of(element), threads_of(room.in_parallel),
                       std::min(room.floats, workspace_bytes() / 4))),
        right_(room.data),
        left_(right_ + plan_.right()),
        sums_(left_ + plan_.threads * plan_.left()) {}

  void run() {
    for (std::int64_t m0 = 0; m0 < m_; m0 += plan_.whole)
      for (std::int64_t n0 = 0; n0 < n_; n0 += plan_.columns)
        for (std::int64_t k0 = 0; k0 < k_; k0 += plan_.inner)
          part(m0, std::min(plan_.whole, m_ - m0), n0, std::min(plan_.columns, n_ - n0), k0,
               std::min(plan_.inner, k_ - k0));
  }

 private:
  // To the threads that the plan has room for.
  template <class Body>
  void share_out(std::int64_t count, const Body& body) const {
    if (plan_.threads == 1)
      body(0, count);
    else
      at::parallel_for(0, count, 1, body);
  }

  void part(std::int64_t m0, std::int64_t rows, std::int64_t n0, std::int64_t columns, std::int64_t k0,
            std::int64_t steps) {
    const std::int64_t words = (steps + panels_.in_word - 1) / panels_.in_word;
    share_out((columns + kRightPanel - 1) / kRightPanel, [&](std::int64_t begin, std::int64_t end) {
      const std::int64_t first = begin * kRightPanel;
      pack(b_, panels_, element_, !b_.transposed, n0 + first, std::min(columns, end * kRightPanel) - first,
           k0, steps, kRightPanel, reinterpret_cast<char*>(right_ + first * words));
    });
    deal((rows + kLeftPanel - 1) / kLeftPanel, plan_.rows / kLeftPanel, plan_.threads,
         [&](std::int64_t begin, std::int64_t end) {
           const std::int64_t first = begin * kLeftPanel;
           tiles(m0, first, std::min(end * kLeftPanel, rows) - first, n0, columns, k0, steps, words);
         });
  }

  void tiles(std::int64_t m0, std::int64_t first, std::int64_t rows, std::int64_t n0, std::int64_t columns,
             std::int64_t k0, std::int64_t steps, std::int64_t words) {
    const std::int64_t thread = plan_.threads == 1 ? 0 : at::get_thread_num();
    float* const left = left_ + thread * plan_.left();
    pack(a_, panels_, element_, a_.transposed, m0 + first, rows, k0, steps, kLeftPanel,
         reinterpret_cast<char*>(left));
    // fp32 is made where it belongs, and finished there.
    const bool direct = result_.kind == Kind::f32, plain = writes_plainly(result_);
    float* const sums =
        sums_ + (plan_.cut ? first * columns : thread * plan_.rows * std::min(plan_.columns, kColumnsAtOnce));
    for (std::int64_t n1 = 0; n1 < columns; n1 += kColumnsAtOnce) {
      const std::int64_t here = std::min(kColumnsAtOnce, columns - n1);
      float* const c = direct ? static_cast<float*>(result_.out) + (m0 + first) * n_ + n0 + n1
                              : sums + (plan_.cut ? n1 : 0);
      const std::int64_t ldc = direct ? n_ : plan_.cut ? columns : here;
      for (std::int64_t p = 0; p < here; p += kRightPanel)
        for (std::int64_t r = 0; r < rows; r += kLeftPanel)
          panels_.tile(left + r * words, right_ + (n1 + p) * words, words, std::min(kLeftPanel, rows - r),
                       std::min(kRightPanel, here - p), k0 > 0 || (plain && result_.accumulate),
                       c + r * ldc + p, ldc);
      if (!plain && k0 + steps == k_) store_rows(result_, n_, m0 + first, rows, n0 + n1, here, c, ldc);
    }
  }

  const Operand& a_;
  const Operand& b_;
  const Result& result_;
  Kind element_;
  const Panels& panels_;
  std::int64_t m_, n_, k_;
  Plan plan_;
  float* right_;
  float* left_;
  float* sums_;
};

}  // namespace

std::int64_t packed_workspace(std::int64_t m, std::int64_t n, std::int64_t k, bool in_parallel) {
  const std::int64_t threads = threads_of(in_parallel);
  const std::int64_t limit = workspace_bytes() / 4;
  return std::max(plan_for(m, n, k, 4, threads, limit).floats(),
                  plan_for(m, n, k, 2, threads, limit).floats());
}

bool packed_product(const Operand& a, const Operand& b, const Result& result, std::int64_t m, std::int64_t n,
                    std::int64_t k, const Room& room) {
  const auto is_brain = [](const Operand& x) { return x.kind == Kind::bf16 || x.may_round; };
  const Panels* panels = is_brain(a) && is_brain(b) ? avx512_panels(Kind::bf16) : nullptr;
  const Kind element = panels != nullptr ? Kind::bf16 : Kind::f32;
  if (panels == nullptr) panels = avx512_panels(Kind::f32);
  if (panels == nullptr || k == 0) return false;
  if (m > 0 && n > 0) PackedProduct(a, b, result, element, *panels, m, n, k, room).run();
  return true;
}

}  // namespace ebb::numerics::cpu
