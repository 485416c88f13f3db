// SPDX-License-Identifier: Apache-2.0
// What mpirun refuses, or crashes at, is code 2 with its reason: with --supervise as without, and at once.
#include <gmock/gmock.h>
#include <unistd.h>

#include "launch/supervised.h"

namespace ebb::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

struct Refusal {
  const char* name;
  std::string before{};  // of the command of ebb launch, in a shell
  std::string hosts{};   // the lines of a host file; empty: none
  std::string reason;
  std::map<std::string, std::string> environment{};
  bool root = false;    // only root can make it
  bool only_4 = false;  // mpirun of Open MPI 5 works with it
};

// printf's notation for an uncommon byte.
std::string with_host_name(const std::string& name) {
  return "printf '" + name + "' >/proc/sys/kernel/hostname; ";
}

const std::vector<Refusal>& refusals() {
  static const std::vector<Refusal> all = {
      {.name = "LineEndsOfWindows",
       .hosts = "localhost slots=2\r\n",
       .reason = "hosts:1: the line ends as on Windows"},
      {.name = "AHostTwice",
       .hosts = "localhost slots=1\nlocalhost slots=1\n",
       .reason = "hosts:2: the slots of localhost"},
      {.name = "NoSlots", .hosts = "localhost slots=0\n", .reason = "`slots=0` is not a number of ranks"},
      {.name = "TooFewSlots", .hosts = "localhost slots=1\n", .reason = "not enough slots"},
      {.name = "AColon", .hosts = "localhost:2\n", .reason = "write `localhost slots=2`"},
      {.name = "ALongName",
       .hosts = std::string(57, 'h') + " slots=2\n",
       .reason = "has 57 bytes before its first dot"},
      {.name = "AnEscapeInAName",
       .hosts = "b\x1b[31m slots=2\n",
       .reason = "the host name b\\x1b[31m has the byte 0x1b"},
      {.name = "ALongNameOfThisHost",
       .before = with_host_name(std::string(57, 'h')),
       .reason = "has 57 bytes before its first dot, and mpirun crashes above 56; this host has it",
       .root = true},
      {.name = "AByteInTheNameOfThisHost",
       .before = with_host_name("h\\351x"),
       .reason = "the host name h\\xe9x has the byte 0xe9 at offset 1",
       .root = true},
      {.name = "AnUnderscoreInTheNameOfThisHost",
       .before = with_host_name("h_x"),
       .reason = "letters, digits, dots and hyphens",
       .root = true,
       .only_4 = true},
      {.name = "NoNetwork",
       .before = "exec unshare -n ",
       .reason = "no network interface that is up",
       .root = true},
      {.name = "NoFolder", .reason = "none can be made in /nowhere", .environment = {{"TMPDIR", "/nowhere"}}},
      {.name = "NoSessionFolder",
       .reason = "cannot create its session folder",
       .environment = {{"OMPI_MCA_orte_tmpdir_base", "/proc"}}},
      {.name = "FewFiles", .before = "ulimit -n 20; ", .reason = "may open 20 files"},
      {.name = "NoUcx", .reason = "lacks", .environment = {{"OMPI_MCA_pml", "nosuch"}}},
      {.name = "NoShell",
       .hosts = "elsewhere slots=2\n",
       .reason = "neither ssh nor rsh",
       .environment = {{"OMPI_MCA_plm_rsh_agent", "no-such-shell"}}},
  };
  return all;
}

class RefusedLaunch : public Supervised,
                      public ::testing::WithParamInterface<std::tuple<std::size_t, bool>> {};

TEST_P(RefusedLaunch, IsCode2AtOnceWithTheReason) {
  const auto& [index, supervise] = GetParam();
  const Refusal& refusal = refusals()[index];
  if (refusal.root && ::geteuid() != 0) GTEST_SKIP() << "only root can rename a host or take its network";
  std::vector<std::string> argv = launch("refused", {"run.steps=2"});
  if (!supervise)
    argv.erase(std::ranges::find(argv, "--supervise"), std::ranges::find(argv, "--termination-message"));
  if (!refusal.hosts.empty()) {
    const std::string hosts = tiny_.folder() / "hosts";
    std::ofstream(hosts, std::ios::binary) << refusal.hosts;
    argv.insert(argv.begin() + 2, {"--hostfile", hosts});
  }
  std::string line = refusal.before;
  for (const std::string& word : argv) line += "'" + word + "' ";
  ProcessOptions options;
  options.environment = refusal.environment;
  std::vector<std::string> command = {"bash", "-c", line};
  if (refusal.root) command.insert(command.begin(), {"unshare", "--uts"});
  const ProcessResult result = run(command, options);
  static const bool is_5 = run({"mpirun", "--version"}).out.find("(Open MPI) 5.") != std::string::npos;
  if (refusal.only_4 && is_5) {
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
    return;
  }
  EXPECT_EQ(result.exit_code, 2) << result.out << result.err;
  EXPECT_THAT(result.err, HasSubstr(refusal.reason));
  EXPECT_THAT(result.err, AllOf(Not(HasSubstr("starting again")), Not(HasSubstr("ORTE_ERROR_LOG"))));
  EXPECT_THAT(text_of(message_), AllOf(HasSubstr("code 2 (configuration)"), HasSubstr(refusal.reason)));
}

std::string name_of(const ::testing::TestParamInfo<RefusedLaunch::ParamType>& info) {
  return refusals()[std::get<0>(info.param)].name + std::string(std::get<1>(info.param) ? "Supervised" : "");
}

INSTANTIATE_TEST_SUITE_P(All, RefusedLaunch,
                         ::testing::Combine(::testing::Range(std::size_t{0}, refusals().size()),
                                            ::testing::Bool()),
                         name_of);

// These are no refusals: mpirun works there.
TEST_F(Supervised, AUserWithoutANameAndAnEmptyEnvironmentAreTrainedIn) {
  auto argv = launch("bare", {"run.steps=2"});
  argv.insert(argv.begin(), {"env", "-i"});
  const ProcessResult bare = run(argv);
  EXPECT_EQ(bare.exit_code, 0) << bare.out << bare.err;
  if (::geteuid() != 0) GTEST_SKIP() << "only root can be another user";
  ASSERT_EQ(run({"chmod", "-R", "a+rwX", tiny_.folder().path()}).exit_code, 0);
  fs::remove(message_);
  argv = launch("nobody", {"run.steps=2"});
  argv.insert(argv.begin(), {"setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"});
  ProcessOptions options;
  // The session folder of the tests is root's.
  options.unset = {"OMPI_MCA_orte_tmpdir_base", "PRTE_MCA_prte_tmpdir_base"};
  options.environment["HOME"] = options.environment["TMPDIR"] = tiny_.folder().path();
  const ProcessResult nobody = run(argv, options);
  EXPECT_EQ(nobody.exit_code, 0) << nobody.out << nobody.err;
}

TEST_F(Supervised, AnAttemptThatNoFileCanHoldIsRefused) {
  const ProcessResult result = run(launch("attempt", {}, {"--attempt", "a\xe9"}));
  EXPECT_EQ(result.exit_code, 2) << result.err;
  EXPECT_THAT(result.err, HasSubstr("--attempt a\\xe9 has the byte 0xe9 at offset 1"));
  EXPECT_FALSE(fs::exists(tiny_.run_folder("attempt")));
}

}  // namespace
}  // namespace ebb::test
