// SPDX-License-Identifier: Apache-2.0
#include "launch/slurm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "base/error.h"
#include "base/process.h"
#include "launch/mpirun_command.h"
#include "support/process.h"

namespace ebb::launch {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

template <class F>
std::string refusal(const F& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    return error.what();
  }
  ADD_FAILURE() << "it was accepted";
  return {};
}

TEST(SlurmLists, HostsAreExpandedInSlurmsOrder) {
  const auto hosts = [](std::string_view list) { return parse_slurm_hosts("LIST", list); };
  EXPECT_THAT(hosts("node1"), ElementsAre("node1"));
  EXPECT_THAT(hosts("host-[0-1]"), ElementsAre("host-0", "host-1"));
  EXPECT_THAT(hosts("node[01-03,7],login"), ElementsAre("node01", "node02", "node03", "node7", "login"));
  EXPECT_THAT(hosts("n[08-11]"), ElementsAre("n08", "n09", "n10", "n11"));
  EXPECT_THAT(hosts("rack[1-2]n[0,2].local"),
              ElementsAre("rack1n0.local", "rack1n2.local", "rack2n0.local", "rack2n2.local"));
  EXPECT_THAT(hosts("a,b[3],c"), ElementsAre("a", "b3", "c"));
  EXPECT_EQ(hosts("n[0-65535]").size(), 65536U);
}

TEST(SlurmLists, CountsAreRepeated) {
  const auto counts = [](std::string_view list) { return parse_slurm_counts("LIST", list); };
  EXPECT_THAT(counts("2"), ElementsAre(2));
  EXPECT_THAT(counts("2(x3),1"), ElementsAre(2, 2, 2, 1));
  EXPECT_THAT(counts("16,8(x2)"), ElementsAre(16, 8, 8));
}

TEST(SlurmLists, OthersAreRefusedWithTheVariableBeforeTheyTakeMemory) {
  for (const char* list : {"", ",", "a,", "node[", "node[]", "node[1", "node[1-]", "node[2-1]", "node[1-2",
                           "node[1]]", "a b", "[1-2]", "node[0-65536]", "n[0-65535],b", "n[0-999]m[0-999]",
                           "n[1-99999999999999999999]", "a\x1b[2J"})
    EXPECT_THAT(
        refusal([&] { parse_slurm_hosts("SLURM_JOB_NODELIST", list); }),
        AllOf(HasSubstr("SLURM_JOB_NODELIST is \""), HasSubstr(list), HasSubstr("node[01-03,7],login")))
        << list;
  for (const char* list :
       {"", "0", "-1", "2(x", "2(x0)", "2(x3)1", "2(x99999999)", "x", "1,", "9999999999", "2 "})
    EXPECT_THAT(
        refusal([&] { parse_slurm_counts("SLURM_TASKS_PER_NODE", list); }),
        HasSubstr("SLURM_TASKS_PER_NODE is \"" + std::string(list) + "\", which Slurm does not write"))
        << list;
}

TEST(SlurmLists, NamesThatNoHostHasAreRefusedBeforeTheyAreMade) {
  const std::string longest(255, 'a'), long_begin(250, 'a');
  EXPECT_THAT(parse_slurm_hosts("LIST", longest), ElementsAre(longest));
  EXPECT_EQ(parse_slurm_hosts("LIST", long_begin + "[00001-65536]").size(), 65536U);
  for (const std::string& list : {longest + "a", long_begin + "[000001-65536]", long_begin + "[1]b[0-9]ccc",
                                  std::string(100'000, 'a') + "[0-65535]"})
    EXPECT_THAT(refusal([&] { parse_slurm_hosts("LIST", list); }),
                AllOf(HasSubstr("LIST has a host name of "), HasSubstr("begins with \"aaaaaaaa"),
                      HasSubstr("host names have at most 255")))
        << list.size();
}

// Each test has only the variables of Slurm and the starters that it sets.
class SlurmJobs : public ::testing::Test {
 protected:
  SlurmJobs() {
    for (const char* name :
         {"SLURM_JOB_ID", "SLURM_JOBID", "SLURM_JOB_NODELIST", "SLURM_NODELIST", "SLURM_TASKS_PER_NODE",
          "SLURM_NTASKS", "SLURM_STEP_NUM_TASKS", "SLURMD_NODENAME", "OMPI_MCA_plm", "PRTE_MCA_plm",
          "OMPI_MCA_plm_rsh_agent", "PRTE_MCA_plm_ssh_agent", "PATH"})
      set(name, nullptr);
    set("PATH", folder_.path().c_str());
  }
  ~SlurmJobs() override {
    for (const auto& [name, value] : before_)
      if (value)
        ::setenv(name.c_str(), value->c_str(), 1);
      else
        ::unsetenv(name.c_str());
  }
  void set(const char* name, const char* value) {
    const char* const old = std::getenv(name);
    before_.try_emplace(name, old != nullptr ? std::optional<std::string>(old) : std::nullopt);
    if (value != nullptr)
      ::setenv(name, value, 1);
    else
      ::unsetenv(name);
  }
  // As recorded in a job of Slurm 22.05: salloc -N 2 -n 3.
  void set_two_hosts() {
    for (const auto& [name, value] :
         {Pair2{"SLURM_JOB_ID", "4"}, Pair2{"SLURM_JOBID", "4"}, Pair2{"SLURM_JOB_NODELIST", "host-[0-1]"},
          Pair2{"SLURM_NODELIST", "host-[0-1]"}, Pair2{"SLURM_TASKS_PER_NODE", "2,1"},
          Pair2{"SLURM_NTASKS", "3"}})
      set(name, value);
  }
  void add_srun() const { test::run({"/bin/sh", "-c", "/bin/cp /bin/true '" + (folder_ / "srun") + "'"}); }

  using Pair2 = std::pair<const char*, const char*>;
  const test::TemporaryFolder folder_;
  std::map<std::string, std::optional<std::string>> before_;
};

TEST_F(SlurmJobs, TheEnvironmentGivesHostsAndTasks) {
  EXPECT_FALSE(read_slurm_job());
  set_two_hosts();
  const auto job = read_slurm_job();
  ASSERT_TRUE(job);
  EXPECT_EQ(job->id, "4");
  ASSERT_EQ(job->hosts.size(), 2U);
  EXPECT_EQ(job->hosts[0].name, "host-0");
  EXPECT_EQ(job->hosts[0].tasks, 2);
  EXPECT_EQ(job->hosts[1].name, "host-1");
  EXPECT_EQ(job->hosts[1].tasks, 1);
  EXPECT_EQ(job->tasks, 3);
  set("SLURM_NTASKS", "2");  // salloc -N 2 -n 2 --ntasks-per-node=2
  EXPECT_EQ(read_slurm_job()->tasks, 2);
  set("SLURM_NTASKS", nullptr);  // salloc -N 2
  EXPECT_EQ(read_slurm_job()->tasks, 3);
  set("SLURM_JOB_ID", nullptr);
  set("SLURM_JOB_NODELIST", nullptr);
  EXPECT_EQ(read_slurm_job()->hosts.size(), 2U) << "the older names";
}

TEST_F(SlurmJobs, AnIncompleteEnvironmentIsRefused) {
  set_two_hosts();
  set("SLURM_TASKS_PER_NODE", nullptr);
  EXPECT_THAT(refusal(read_slurm_job),
              AllOf(HasSubstr("job 4 of Slurm"), HasSubstr("SLURM_TASKS_PER_NODE is not set")));
  set("SLURM_TASKS_PER_NODE", "2(x3)");
  EXPECT_THAT(refusal(read_slurm_job), HasSubstr("SLURM_JOB_NODELIST is host-[0-1] with 2 hosts, but "
                                                 "SLURM_TASKS_PER_NODE is 2(x3) with 3"));
  set("SLURM_TASKS_PER_NODE", "2,1");
  set("SLURM_NODELIST", nullptr);
  set("SLURM_JOB_NODELIST", nullptr);
  EXPECT_THAT(refusal(read_slurm_job), HasSubstr("SLURM_JOB_NODELIST is not set"));
  set("SLURM_JOBID", nullptr);
  EXPECT_FALSE(read_slurm_job()) << "mpirun does not see a job either";
}

TEST_F(SlurmJobs, CopiesThatSrunStartedAreRefused) {
  set_two_hosts();
  set("SLURM_STEP_NUM_TASKS", "1");  // the shell of salloc
  EXPECT_TRUE(read_slurm_job());
  set("SLURM_STEP_NUM_TASKS", "3");
  EXPECT_THAT(refusal(read_slurm_job), HasSubstr("srun has started 3 copies of ebb launch"));
}

TEST_F(SlurmJobs, RanksAndHostFilesAreHeldAgainstTheJob) {
  set_two_hosts();
  const SlurmJob job = *read_slurm_job();
  EXPECT_EQ(ranks_in_job(job, std::nullopt, {}), 3);
  EXPECT_EQ(ranks_in_job(job, 2, {}), 2);
  EXPECT_EQ(ranks_in_job(job, std::nullopt, {"host-0"}), 1) << "as without Slurm";
  EXPECT_EQ(ranks_in_job(job, 3, {"host-0.example.org", "host-1.example.org"}), 3);
  EXPECT_THAT(refusal([&] { ranks_in_job(job, 4, {}); }),
              HasSubstr("-n 4 ranks, but job 4 of Slurm has 3 tasks: host-0 (2 tasks), host-1 (1 task). Give "
                        "sbatch or salloc --ntasks=4, or lower -n"));
  EXPECT_THAT(refusal([&] { ranks_in_job(job, 2, {"host-1"}); }),
              HasSubstr("-n 2 ranks, but job 4 of Slurm has 1 task: host-1 (1 task)"));
  EXPECT_THAT(refusal([&] { ranks_in_job(job, 1, {"host-0", "node7"}); }),
              HasSubstr("the host file has node7, which is not in job 4 of Slurm"));
}

TEST_F(SlurmJobs, MpirunGetsTheNamesThatItReadsForSrun) {
  set_two_hosts();
  add_srun();
  LaunchHost host;
  use_slurm_job(*read_slurm_job(), {}, host);
  EXPECT_TRUE(host.ranks_are_placed);
  EXPECT_THAT(host.starter_variables, ElementsAre());
  set("SLURM_JOBID", nullptr);
  set("SLURM_NODELIST", nullptr);
  use_slurm_job(*read_slurm_job(), {}, host);
  EXPECT_THAT(host.starter_variables,
              ElementsAre(Pair("SLURM_JOBID", "4"), Pair("SLURM_NODELIST", "host-[0-1]")));
}

TEST_F(SlurmJobs, WithoutSrunOtherHostsAreReachedByARemoteShell) {
  set_two_hosts();
  const SlurmJob job = *read_slurm_job();
  for (const auto& [major, variable, shell] :
       {std::tuple{4, "OMPI_MCA_plm", "rsh"}, std::tuple{5, "PRTE_MCA_plm", "ssh"}}) {
    LaunchHost host;
    host.major = major;
    use_slurm_job(job, {}, host);
    EXPECT_TRUE(host.ranks_are_placed);
    EXPECT_THAT(host.starter_variables, ElementsAre(Pair(variable, shell)));
  }
  LaunchHost alone;
  alone.remote_shell = false;
  EXPECT_THAT(refusal([&] { use_slurm_job(job, {}, alone); }),
              AllOf(HasSubstr("host-1 (1 task)"), HasSubstr("by srun or ssh, and neither is on PATH")));
  set("OMPI_MCA_plm_rsh_agent", "/opt/site/remote");
  EXPECT_NO_THROW(use_slurm_job(job, {}, alone));
  EXPECT_THAT(alone.starter_variables, ElementsAre(Pair("OMPI_MCA_plm", "rsh")));
}

TEST_F(SlurmJobs, WithoutSrunAJobOnThisHostNeedsNothing) {
  set_two_hosts();
  for (const char* list : {"SLURM_JOB_NODELIST", "SLURM_NODELIST"}) set(list, host_name().c_str());
  set("SLURM_TASKS_PER_NODE", "2");
  LaunchHost host;
  host.remote_shell = false;
  use_slurm_job(*read_slurm_job(), {}, host);
  EXPECT_FALSE(host.ranks_are_placed);
  EXPECT_THAT(host.starter_variables,
              ElementsAre(Pair("OMPI_MCA_plm", "isolated"), Pair("OMPI_MCA_ras", "^slurm")));
  EXPECT_THAT(shell_command(mpirun_command(host, {2, {}, {}}, {"ebb"})),
              HasSubstr("OMPI_MCA_plm=isolated OMPI_MCA_ras='^slurm' mpirun "));
  set_two_hosts();  // by the name that Slurm has for it
  set("SLURMD_NODENAME", "host-0");
  LaunchHost named;
  named.major = 5;
  use_slurm_job(*read_slurm_job(), {"host-0"}, named);
  EXPECT_THAT(named.starter_variables,
              ElementsAre(Pair("PRTE_MCA_plm", "^slurm"), Pair("PRTE_MCA_ras", "^slurm")));
}

TEST_F(SlurmJobs, AChosenStarterIsKept) {
  set_two_hosts();
  set("OMPI_MCA_plm", "rsh");
  LaunchHost host;
  host.remote_shell = false;
  use_slurm_job(*read_slurm_job(), {}, host);
  EXPECT_THAT(host.starter_variables, ElementsAre());
}

}  // namespace
}  // namespace ebb::launch
