// SPDX-License-Identifier: Apache-2.0
#include "launch/hosts.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "base/error.h"
#include "support/folder_test.h"

namespace ebb::launch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A port of loopback that is ours; it answers once listen() was called.
class Listener {
 public:
  Listener() : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(fd_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
      ADD_FAILURE() << "no port";
    port_ = ntohs(address.sin_port);
  }
  ~Listener() { ::close(fd_); }
  void listen() const { EXPECT_EQ(::listen(fd_, 8), 0); }
  [[nodiscard]] int port() const { return port_; }

 private:
  int fd_, port_ = 0;
};

bool pause(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  return false;  // no stop is requested
}

class Hosts : public test::FolderTest {};

TEST_F(Hosts, AreReadInFileOrderWithoutDuplicates) {
  std::ofstream(folder_ / "hosts")
      << "# two of them\nb.example slots=2\n\n  a.example slots=4 max_slots=8 # and a note\nb.example\n";
  EXPECT_THAT(read_hostfile(folder_ / "hosts"), ElementsAre("b.example", "a.example"));
  std::ofstream(folder_ / "none") << "# nobody\n";
  for (const char* name : {"none", "nowhere"}) {
    try {
      read_hostfile(folder_ / name);
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::usage);
      EXPECT_THAT(error.what(), HasSubstr(name));
    }
  }
}

// Its lines are not compared in pairs, which would take minutes.
TEST_F(Hosts, OfALongFileAreRead) {
  constexpr int kHosts = 200'000;
  {
    std::ofstream out(folder_ / "hosts");
    for (int i = 0; i < kHosts; ++i) out << "a-long-prefix-of-a-name-" << i << " slots=1\n";
  }
  const auto hosts = read_hostfile(folder_ / "hosts");
  ASSERT_EQ(hosts.size(), kHosts);
  EXPECT_EQ(hosts.back(), "a-long-prefix-of-a-name-199999");
}

TEST_F(Hosts, LinesThatMpirunCannotTakeAreRefusedByNumber) {
  const std::string longest(56, 'h');
  for (const auto& [line, problem] : std::vector<std::pair<std::string, std::string>>{
           {"b slots=2\r", "hosts:2: the line ends as on Windows"},
           {"localhost:2", "hosts:2: localhost:2 is not a host name: write `localhost slots=2`"},
           {"b slots=0", "hosts:2: `slots=0` is not a number of ranks"},
           {"b slots=-1", "`slots=-1`"},
           {"b slots=two", "`slots=two`"},
           {"b slots=2x", "`slots=2x`"},
           {"a slots=2", "hosts:2: the slots of a are given twice"},
           {"b\x1b[31m",
            "hosts:2: the host name b\x1b[31m has the byte 0x1b at offset 1, which is no printable"},
           {"b\xe9", "has the byte 0xe9 at offset 1"},
           {longest + "h", "has 57 bytes before its first dot"},
           {longest + "h.svc", "has 57 bytes before its first dot"}}) {
    std::ofstream(folder_ / "hosts") << "a slots=1\n" << line << "\n";
    try {
      read_hostfile(folder_ / "hosts");
      ADD_FAILURE() << line;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::usage) << line;
      EXPECT_THAT(error.what(), HasSubstr(problem));
    }
  }
  std::ofstream(folder_ / "hosts") << longest << ".svc slots=1\nfe80::1:2\n" << longest << ".svc\n";
  EXPECT_THAT(read_hostfile(folder_ / "hosts"), ElementsAre(longest + ".svc", "fe80::1:2"));
}

TEST_F(Hosts, WaitReturnsWhenAllAnswer) {
  const Listener late;
  std::thread starts([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(700));
    late.listen();
  });
  const auto start = std::chrono::steady_clock::now();
  wait_for_hosts({"127.0.0.1", "localhost"}, late.port(), 60, [](const std::string&) {}, pause);
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(600));
  starts.join();
}

TEST_F(Hosts, UnreachableOnesAreListedWithReasons) {
  const Listener silent;  // bound, but not listening
  try {
    wait_for_hosts(
        {"127.0.0.1", "no-such-host.invalid"}, silent.port(), 0.5, [](const std::string&) {}, pause);
    ADD_FAILURE() << "nobody was there";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::communication);
    for (const char* text : {"2 of 2", "127.0.0.1 (Connection refused)", "no-such-host.invalid (", "0.5 s"})
      EXPECT_THAT(error.what(), HasSubstr(text));
  }
}

TEST_F(Hosts, AStopRequestEndsTheWait) {
  const Listener silent;
  try {
    wait_for_hosts({"127.0.0.1"}, silent.port(), 60, [](const std::string&) {}, [](double) { return true; });
    ADD_FAILURE() << "nobody was there";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::stopped);
    EXPECT_THAT(error.what(), HasSubstr("1 of 1 hosts"));
  }
}

TEST_F(Hosts, PodNamesGetKubectlAdvice) {
  EXPECT_THAT(pod_advice("vae-1a2b-worker-1.vae-1a2b.team.svc"),
              HasSubstr("kubectl -n team delete pod vae-1a2b-worker-1"));
  EXPECT_THAT(pod_advice("vae-worker-0.vae.team.svc.cluster.local"),
              HasSubstr("kubectl -n team describe pod vae-worker-0"));
  for (const char* other : {"node-7", "node-7.example.org", "10.1.2.3", ""}) EXPECT_EQ(pod_advice(other), "");
  const Listener silent;
  try {
    wait_for_hosts({"w-1.w.team.svc"}, silent.port(), 0, [](const std::string&) {}, pause);
    ADD_FAILURE() << "nobody was there";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("delete pod w-1"));
  }
}

}  // namespace
}  // namespace ebb::launch
