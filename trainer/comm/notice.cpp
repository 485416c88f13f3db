// SPDX-License-Identifier: Apache-2.0
#include "comm/notice.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <type_traits>

#include "comm/check.h"
#include "comm/gather_texts.h"

namespace ebb::comm {

static_assert(std::is_trivially_copyable_v<Notice>);

memory::Stage stage_of(const Notice& notice) {
  return static_cast<memory::Stage>(std::min<int>(notice.stage, memory::kStages - 1));
}

std::string describe(const Operation& operation) {
  return fmt::format("{} \"{}\" (number {}, {} bytes)", operation.what, operation.label, operation.sequence,
                     operation.bytes);
}

std::string describe(const Notice& notice) {
  if (notice.sequence == 0) return "nothing yet";
  const std::string_view what =
      notice.kind == kGatherTextsKind ? "agreement" : name(static_cast<CollectiveKind>(notice.kind));
  return fmt::format("{} \"{}\" (number {}, from stage {})", what, notice.label, notice.sequence,
                     memory::name(stage_of(notice)));
}

Notice make_notice(const Operation& operation) {
  Notice notice;
  notice.sequence = operation.sequence;
  notice.label_hash = std::hash<std::string>{}(operation.label);
  operation.label.copy(notice.label, Notice::kLabelBytes - 1);
  return notice;
}

}  // namespace ebb::comm
