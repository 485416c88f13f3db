// SPDX-License-Identifier: Apache-2.0
#include "comm/gather_texts.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace ebb::comm {

std::vector<std::string> gather_texts(Transport& transport, const Operation& operation,
                                      const std::string& text) {
  constexpr std::size_t kShort = Notice::kPayloadBytes;
  Notice mine = make_notice(operation);
  mine.kind = kGatherTextsKind;
  mine.count = static_cast<std::int64_t>(text.size());
  if (text.size() <= kShort) std::memcpy(mine.payload, text.data(), text.size());
  const std::vector<Notice>& all = transport.rendezvous(
      operation, mine,
      [](const Notice& a, const Notice& b) { return a.kind == b.kind && a.label_hash == b.label_hash; });

  std::vector<std::string> texts;
  std::vector<Transfer> sends;
  std::vector<Transfer> receives;
  std::string copy = text;  // Transfer has no const pointer
  for (const Notice& notice : all) {
    const auto bytes = static_cast<std::size_t>(notice.count);
    texts.push_back(bytes <= kShort ? std::string(notice.payload, bytes) : std::string(bytes, '\0'));
  }
  for (int peer = 0; peer < transport.size(); ++peer) {
    if (peer == transport.rank()) continue;
    std::string& theirs = texts[static_cast<std::size_t>(peer)];
    if (theirs.size() > kShort)
      receives.push_back({peer, reinterpret_cast<std::byte*>(theirs.data()), theirs.size()});
    if (copy.size() > kShort) sends.push_back({peer, reinterpret_cast<std::byte*>(copy.data()), copy.size()});
  }
  try {
    if (!sends.empty() || !receives.empty()) transport.exchange(operation, sends, receives);
  } catch (...) {
    // MPI may still access these buffers, so they stay until the process ends.
    new std::vector<std::string>(std::move(texts));
    new std::string(std::move(copy));
    throw;
  }
  texts[static_cast<std::size_t>(transport.rank())] = text;
  return texts;
}

}  // namespace ebb::comm
