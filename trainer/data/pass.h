#pragma once
#include <cstdint>
#include <memory>
#include <optional>

#include "core/batch.h"
#include "data/dataset.h"

namespace ebb::data {

struct PassPlan {
  std::int64_t global_batch = 1;
  int rank = 0, ranks = 1;
  bool pinned = false;
};

// A split from its first sample to its last, once each, over all ranks: for evaluation. Global batch b is
// samples [b*G, (b+1)*G), the last may be shorter; rank r takes the r-th of R equal parts (of ceil(G/R)
// samples, clipped to the batch), so a part may be short or empty, but all ranks get the same number of
// batches. Memory: two slots of one part, class data, owner "evaluation", allocated by the constructor. Reads
// when asked, on the caller's thread.
class Pass {
 public:
  Pass(std::unique_ptr<Dataset> dataset, const PassPlan& plan);
  ~Pass();
  Pass(const Pass&) = delete;
  Pass& operator=(const Pass&) = delete;

  // The next part: fields [n, ...], n >= 0; ids are sample indices; position is the index of the first;
  // step counts the batches; global_batch is the number of samples of this global batch over all ranks, so
  // that the mean of a loss over the split is sum(loss * global_batch) / samples(). Nothing after the last.
  // At most one batch may be held when it is called, else Error(internal).
  [[nodiscard]] std::optional<core::Batch> next();
  void restart();  // the next part is the first again; allocates nothing

  [[nodiscard]] std::int64_t batches() const;  // that next() gives in a whole pass
  [[nodiscard]] std::int64_t samples() const;  // of the split
  [[nodiscard]] const core::SampleSpec& spec() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ebb::data
