// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"

// The range of labels. A model with `classes` classes reads labels in [0, classes).
namespace ebb::data {

// At most `most` (at least 2) of the indices in [0, count), ascending: the first, the last, and others spread
// evenly between them.
std::vector<std::int64_t> spread_evenly(std::int64_t count, std::int64_t most);

// "0: 12, 1: 15, and 3 more": how often each label occurs; after twenty of them, how many others there are.
std::string label_counts_text(const std::map<std::int64_t, std::int64_t>& counts);

// Error(data) for a label outside of the range. `sample` names its file or dataset and its index there.
[[noreturn]] void refuse_label(std::int64_t label, std::int64_t classes, const std::string& sample);
[[nodiscard]] inline bool is_in_range(std::int64_t label, std::int64_t classes) {
  return label >= 0 && label < classes;
}

// The same dataset, whose read() also refuses a label outside of the range. It has a field label. `name` is
// the dataset's in the message.
std::unique_ptr<Dataset> with_checked_labels(std::unique_ptr<Dataset> dataset, std::int64_t classes,
                                             std::string name);

}  // namespace ebb::data
