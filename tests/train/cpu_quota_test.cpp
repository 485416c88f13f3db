// SPDX-License-Identifier: Apache-2.0
// Real runs within a control group that allows less CPU time than the machine has cores.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "support/limited_group.h"
#include "support/tiny_run.h"

namespace ebb::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class CpuQuotaRun : public testing::Test {
 protected:
  void SetUp() override {
    if (::sysconf(_SC_NPROCESSORS_ONLN) < 2) GTEST_SKIP() << "needs two cores";
    if (group_.empty()) GTEST_SKIP() << "no control group with a CPU quota can be made here (root can)";
  }
  ProcessResult train(const std::string& name, std::vector<std::string> settings) {
    settings.emplace_back("run.steps=1");
    return run_shell(group_.command(tiny_.command(1, name, settings)));
  }
  LimitedGroup group_ = LimitedGroup::of_cores(1);
  TinyRun tiny_;
};

TEST_F(CpuQuotaRun, TheDefaultThreadsAreThoseOfTheQuota) {
  const ProcessResult result = train("default", {"parallel.threads=0"});
  ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_THAT(result.out, HasSubstr("1 rank x 1 thread on CPU (the control group allows 1 core)"));
  EXPECT_THAT(result.out, Not(HasSubstr("warning")));
}

TEST_F(CpuQuotaRun, MoreThreadsThanTheQuotaAreWarnedOf) {
  const ProcessResult result = train("more", {"parallel.threads=2"});
  ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_THAT(result.out, HasSubstr("warning: 2 threads of 1 rank share 1 core that their control group"));
}

}  // namespace
}  // namespace ebb::test
