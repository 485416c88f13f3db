#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "numerics/cpu/gemm.h"
#include "numerics/cpu/workspace.h"
#include "numerics/once.h"
#include "numerics/place.h"
#include "numerics/sequence.h"

namespace ebb::numerics {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Logits of `rows` x `words` at a time: half a MiB of fp32, whatever the model.
constexpr std::int64_t kRows = 256, kWords = 512;

// Rows [first, first + n) as fp32: where they lie, or converted into `space`.
const float* rows_of(const at::Tensor& t, std::int64_t first, std::int64_t n, float* space) {
  const cpu::Kind kind = cpu::kind_of(t);
  if (kind == cpu::Kind::f32) return t.const_data_ptr<float>() + first * t.size(1);
  at::parallel_for(0, n, 16, [&](std::int64_t begin, std::int64_t end) {
    cpu::kernels().to_float(kind, place(t, (first + begin) * t.size(1)), space + begin * t.size(1),
                            (end - begin) * t.size(1));
  });
  return space;
}

struct HeadLoss : torch::autograd::Function<HeadLoss> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& h_in, const at::Tensor& w_in,
                            const at::Tensor& targets_in) {
    const at::Tensor h = h_in.contiguous(), w = w_in.contiguous(), targets = targets_in.contiguous();
    const std::int64_t n = h.size(0), width = h.size(1), vocabulary = w.size(0);
    const at::Tensor lse = at::empty({n}, h.options().dtype(at::kFloat));
    ctx->save_for_backward({h, w, targets, lse});
    const at::Tensor space = cpu::workspace((kRows + kWords) * width + kRows * kWords, h);
    if (h.is_meta()) return at::empty({}, lse.options());
    float* const h_space = space.data_ptr<float>();
    float* const w_space = h_space + kRows * width;
    float* const logits = w_space + kWords * width;
    const std::int64_t* const target = targets.const_data_ptr<std::int64_t>();
    const cpu::Kernels& kern = cpu::kernels();
    // Of each row of a block: the largest logit so far, the sum of exponentials less it, and the target's
    // logit.
    std::vector<float> most(kRows), sum(kRows), hit(kRows);
    double total = 0;
    for (std::int64_t first = 0; first < n; first += kRows) {
      const std::int64_t rows = std::min(kRows, n - first);
      const float* const a = rows_of(h, first, rows, h_space);
      std::fill(most.begin(), most.end(), -INFINITY);
      std::fill(sum.begin(), sum.end(), 0.0F);
      for (std::int64_t word = 0; word < vocabulary; word += kWords) {
        const std::int64_t words = std::min(kWords, vocabulary - word);
        cpu::gemm(a, width, false, rows_of(w, word, words, w_space), width, true, logits, words, rows, words,
                  width, false);
        at::parallel_for(0, rows, 16, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t r = begin; r < end; ++r) {
            float* const row = logits + r * words;
            const auto i = static_cast<std::size_t>(r);
            if (const std::int64_t t = target[first + r] - word; t >= 0 && t < words) hit[i] = row[t];
            const float here = std::max(most[i], kern.largest(row, words));
            const float before = most[i] == here ? sum[i] : sum[i] * std::exp(most[i] - here);
            sum[i] = before + kern.exponentials(row, words, here);
            most[i] = here;
          }
        });
      }
      for (std::int64_t r = 0; r < rows; ++r) {
        const auto i = static_cast<std::size_t>(r);
        const float log_sum = most[i] + std::log(sum[i]);
        lse.data_ptr<float>()[first + r] = log_sum;
        if (target[first + r] != kIgnored) total += static_cast<double>(log_sum - hit[i]);
      }
    }
    return at::full({}, total, lse.options());
  }

  static variable_list backward(AutogradContext* ctx, variable_list dy) {
    refuse_second_derivative("head_cross_entropy");
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &h = saved[0], &w = saved[1], &targets = saved[2], &lse = saved[3];
    const std::int64_t n = h.size(0), width = h.size(1), vocabulary = w.size(0);
    const at::Tensor dh = at::empty(h.sizes(), h.options()), dw = at::empty(w.sizes(), w.options());
    const at::Tensor space = cpu::workspace(n * width + (kRows + 2 * kWords) * width + kRows * kWords, h);
    if (h.is_meta()) return {dh, dw, {}};
    float* const dh_sums = space.data_ptr<float>();  // [n, width]: over all words
    float* const h_space = dh_sums + n * width;
    float* const w_space = h_space + kRows * width;
    float* const dw_sums = w_space + kWords * width;  // [words, width]: over all rows
    float* const p = dw_sums + kWords * width;
    const std::int64_t* const target = targets.const_data_ptr<std::int64_t>();
    const float* const log_sums = lse.const_data_ptr<float>();
    const float scale = dy[0].item<float>();
    const cpu::Kind kind = cpu::kind_of(h);
    const cpu::Kernels& kern = cpu::kernels();
    for (std::int64_t word = 0; word < vocabulary; word += kWords) {
      const std::int64_t words = std::min(kWords, vocabulary - word);
      const float* const b = rows_of(w, word, words, w_space);
      for (std::int64_t first = 0; first < n; first += kRows) {
        const std::int64_t rows = std::min(kRows, n - first);
        const float* const a = rows_of(h, first, rows, h_space);
        cpu::gemm(a, width, false, b, width, true, p, words, rows, words, width, false);
        at::parallel_for(0, rows, 16, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t r = begin; r < end; ++r) {
            float* const row = p + r * words;
            const std::int64_t wanted = target[first + r];
            if (wanted == kIgnored) {
              std::fill_n(row, words, 0.0F);
              continue;
            }
            kern.exponentials(row, words, log_sums[first + r]);
            if (wanted >= word && wanted < word + words) row[wanted - word] -= 1.0F;
            for (std::int64_t c = 0; c < words; ++c) row[c] *= scale;
          }
        });
        cpu::gemm(p, words, false, b, width, false, dh_sums + first * width, width, rows, width, words,
                  word > 0);
        cpu::gemm(p, words, true, a, width, false, dw_sums, width, words, width, rows, first > 0);
      }
      if (n == 0) std::fill_n(dw_sums, words * width, 0.0F);
      kern.from_float(kind, dw_sums, place_in(dw, word * width), words * width);
    }
    at::parallel_for(0, n, 16, [&](std::int64_t begin, std::int64_t end) {
      kern.from_float(kind, dh_sums + begin * width, place_in(dh, begin * width), (end - begin) * width);
    });
    return {dh, dw, {}};
  }
};

void check_targets(const at::Tensor& targets, std::int64_t vocabulary) {
  const std::int64_t* const target = targets.const_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < targets.numel(); ++i)
    if (target[i] != kIgnored && (target[i] < 0 || target[i] >= vocabulary))
      throw Error(ExitCode::internal,
                  fmt::format("head_cross_entropy: target {} is {}, and the vocabulary has {} words", i,
                              target[i], vocabulary));
}

}  // namespace

at::Tensor head_cross_entropy(const at::Tensor& h, const at::Tensor& w, const at::Tensor& targets) {
  if (h.dim() != 2 || w.dim() != 2 || h.size(1) != w.size(1) ||
      targets.sizes() != at::IntArrayRef({h.size(0)}) || targets.scalar_type() != at::kLong ||
      h.scalar_type() != w.scalar_type() || h.device() != w.device() || h.device() != targets.device())
    throw Error(ExitCode::internal,
                fmt::format("head_cross_entropy: h [{}], w [{}] and targets [{}] {} do not go together",
                            fmt::join(h.sizes(), ", "), fmt::join(w.sizes(), ", "),
                            fmt::join(targets.sizes(), ", "), c10::toString(targets.scalar_type())));
  if (h.is_cuda())
    return at::cross_entropy_loss(at::linear(h, w).to(at::kFloat), targets, {}, at::Reduction::Sum, kIgnored);
  if (!h.is_meta()) check_targets(targets.contiguous(), w.size(0));
  return HeadLoss::apply(h, w, targets);
}

}  // namespace ebb::numerics
