// SPDX-License-Identifier: Apache-2.0
#include <ATen/Parallel.h>
#include <ATen/ThreadLocalState.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <gtest/gtest.h>

#include <future>
#include <string>
#include <thread>

#include "memory/ledger.h"

namespace ebb::memory {
namespace {

void expect_tag(Class cls, std::string_view owner) {
  EXPECT_EQ(current_tag().cls, cls);
  EXPECT_EQ(current_tag().owner, owner);
}

TEST(Tag, WithoutOneAThreadIsUntagged) {
  expect_tag(Class::activations, "untagged");
}

TEST(Tag, TheInnermostCountsUntilItEnds) {
  const Tag outer(Class::parameters, "encoder");
  expect_tag(Class::parameters, "encoder");
  {
    const Tag inner(Class::workspace, "convolution");
    expect_tag(Class::workspace, "convolution");
    {
      const Tag same(Class::workspace, "convolution");
      expect_tag(Class::workspace, "convolution");
    }
    expect_tag(Class::workspace, "convolution");
  }
  expect_tag(Class::parameters, "encoder");
}

TEST(Tag, CopiesTheOwnersName) {
  std::string name = "unit 1";
  const Tag tag(Class::gradients, name);
  name = "overwritten";
  expect_tag(Class::gradients, "unit 1");
}

TEST(Tag, ANewThreadHasNone) {
  const Tag tag(Class::gradients, "bucket");
  std::thread([] { expect_tag(Class::activations, "untagged"); }).join();
}

// The autograd engine does the same: each of its threads copies the state of the thread that calls
// backward().
TEST(Tag, IsPartOfTheStateThatAutogradCarriesToItsThreads) {
  at::ThreadLocalState state = [] {
    const Tag tag(Class::gradients, "backward");
    return at::ThreadLocalState();
  }();
  std::thread([&] {
    {
      const at::ThreadLocalStateGuard guard(state);
      expect_tag(Class::gradients, "backward");
      const Tag inner(Class::workspace, "kernel");
      expect_tag(Class::workspace, "kernel");
    }
    expect_tag(Class::activations, "untagged");
  }).join();
}

TEST(Tag, IsCarriedIntoTheFrameworksTasks) {
  const Tag tag(Class::data, "decode");
  std::promise<std::string> seen;
  at::launch([&] { seen.set_value(std::string(current_tag().owner)); });
  EXPECT_EQ(seen.get_future().get(), "decode");
}

TEST(Tag, LeavesOtherDebugInformationInPlace) {
  struct Other : c10::DebugInfoBase {};
  const auto kind = c10::DebugInfoKind::TEST_INFO;
  const auto other = std::make_shared<Other>();
  const auto there = [&] { return c10::ThreadLocalDebugInfo::get(kind) == other.get(); };

  const Tag outer(Class::parameters, "encoder");
  {
    const c10::DebugInfoGuard guard(kind, other);
    expect_tag(Class::parameters, "encoder");
    {
      const Tag inner(Class::workspace, "kernel");
      expect_tag(Class::workspace, "kernel");
      EXPECT_TRUE(there());
      const Tag deeper(Class::data, "slot");
      expect_tag(Class::data, "slot");
      EXPECT_TRUE(there());
    }
    expect_tag(Class::parameters, "encoder");
    EXPECT_TRUE(there());
  }
  expect_tag(Class::parameters, "encoder");
  EXPECT_FALSE(there());
}

}  // namespace
}  // namespace ebb::memory
