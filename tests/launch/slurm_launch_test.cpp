// SPDX-License-Identifier: Apache-2.0
// `ebb launch` in jobs of a real Slurm with two nodes.
#include <gmock/gmock.h>
#include <unistd.h>

#include "launch/supervised.h"

namespace ebb::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class SlurmLaunch : public Supervised {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can make hosts with networks of their own";
    for (const char* package : {"slurmctld", "slurmd", "slurm-client", "slurm-wlm-basic-plugins"})
      if (!fs::exists(fs::path(unpacked_) / package / ".complete"))
        GTEST_SKIP() << "there is no " << package
                     << " in .deps/unpacked (./scripts/setup full fetches it on Debian 12)";
    // These variables would give all hosts one session folder.
    options_.unset = {"OMPI_MCA_orte_tmpdir_base", "PRTE_MCA_prte_tmpdir_base"};
    options_.environment["TMPDIR"] = folder_.string();
  }
  void TearDown() override {
    // A script that was killed leaves Slurm's daemons behind.
    for (const char* daemon : {"controller.pid", "host-0.pid", "host-1.pid", "host-0", "host-1"})
      if (const std::string process = text_of(folder_ / daemon); !process.empty())
        ::kill(std::stoi(process), SIGKILL);
  }
  // Runs a line of a shell beside the controller.
  [[nodiscard]] ProcessResult in_cluster(const std::string& line) const {
    const std::string scripts = source_dir() + "/tests/launch/";
    return run({scripts + "two_hosts", folder_.string(), scripts + "slurm_cluster", folder_.string(),
                unpacked_, "sh", "-c", line},
               options_);
  }
  // `ebb launch OPTIONS tiny.yaml …` as a line of a shell.
  [[nodiscard]] std::string launch_line(const std::string& name, const std::string& options = "") const {
    return ebb_binary() + " launch " + options + " " + (tiny_.folder() / "tiny.yaml") + " run.name=" + name +
           " run.steps=3";
  }

  const std::string unpacked_ = source_dir() + "/.deps/unpacked";
  const fs::path folder_ = tiny_.folder().path();
  ProcessOptions options_;
};

TEST_F(SlurmLaunch, AnAllocationGivesHostsAndRanks) {
  const ProcessResult result = in_cluster("salloc -N 2 -n 2 " + launch_line("both"));
  ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_THAT(result.out, HasSubstr("-n 2 "));
  EXPECT_THAT(result.out, HasSubstr("host-0"));
  EXPECT_THAT(result.out, HasSubstr("host-1"));
  ASSERT_EQ(tiny_.train(2, "here", {"run.steps=3"}).exit_code, 0);
  EXPECT_EQ(losses(tiny_.run_folder("both")), losses(tiny_.run_folder("here")));
}

// A batch script runs on the first host, and a container there may have no srun.
TEST_F(SlurmLaunch, WithoutSrunABatchJobOfOneHostRunsThere) {
  const std::string script = folder_ / "job", output = folder_ / "job.out";
  std::ofstream(script) << "#!/bin/sh\nexport PATH=/usr/local/bin:/usr/bin:/bin\nexec "
                        << launch_line("batch") << "\n";
  const ProcessResult result = in_cluster("sbatch -W -N 1 -n 2 -o " + output + " " + script);
  ASSERT_EQ(result.exit_code, 0) << result.out << result.err << text_of(output);
  EXPECT_THAT(text_of(output), HasSubstr("OMPI_MCA_plm=isolated"));
  EXPECT_THAT(text_of(output), HasSubstr("-n 2 "));
}

TEST_F(SlurmLaunch, WithoutSrunARemoteShellReachesTheHosts) {
  const std::string line = "salloc -N 2 -n 2 env PATH=/usr/local/bin:/usr/bin:/bin OMPI_MCA_plm_rsh_agent=" +
                           (folder_ / "remote-shell").string() + " " +
                           launch_line("shell", "--forward OMP_NUM_THREADS");
  const ProcessResult result = in_cluster(line);
  ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_THAT(result.out, HasSubstr("OMPI_MCA_plm=rsh"));
}

TEST_F(SlurmLaunch, WhatTheJobDoesNotHaveIsRefusedBeforeTheStart) {
  const ProcessResult more = in_cluster("salloc -N 2 -n 2 " + launch_line("more", "-n 3 --supervise"));
  EXPECT_EQ(more.exit_code, 2) << more.out << more.err;
  EXPECT_THAT(more.err, HasSubstr("of Slurm has 2 tasks: host-0 (1 task), host-1 (1 task). Give sbatch or "
                                  "salloc --ntasks=3, or lower -n"));
  EXPECT_THAT(more.out, Not(HasSubstr("mpirun ")));
  EXPECT_THAT(more.err, Not(HasSubstr("starting again")));
}

TEST_F(SlurmLaunch, CopiesThatSrunStartsAreRefused) {
  const ProcessResult copies = in_cluster("salloc -N 2 -n 2 srun " + launch_line("copies"));
  EXPECT_EQ(copies.exit_code, 2) << copies.out << copies.err;
  EXPECT_THAT(copies.err, HasSubstr("srun has started 2 copies of ebb launch"));
  EXPECT_FALSE(fs::exists(tiny_.run_folder("copies")));
}

}  // namespace
}  // namespace ebb::test
