// SPDX-License-Identifier: Apache-2.0
#include "telemetry/exposition.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "support/folder_test.h"
#include "telemetry/metrics_port.h"

namespace ebb::telemetry {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class Exposition : public test::FolderTest {};

TEST_F(Exposition, HasANumberForEachRankPlaceAndClass) {
  const comm::World world(0, nullptr);
  NodeMetrics node(world, folder_, 10);
  RankMetrics& mine = node.mine();
  mine.rank = 3;
  mine.live[0][static_cast<std::size_t>(memory::Class::optimizer)] = 4096;
  mine.seconds[static_cast<std::size_t>(memory::Stage::backward)] = 1.5;
  EXPECT_THAT(exposition_text(node, nullptr), Not(HasSubstr("ebb_memory_bytes{")))
      << "it has said nothing yet";
  mine.present = true;
  const std::string labels = "rank=\"3\",local_rank=\"0\",node=\"" + world.host() + "\"";
  const std::string text = exposition_text(node, nullptr);
  EXPECT_THAT(text,
              AllOf(HasSubstr("ebb_memory_bytes{place=\"host\",class=\"optimizer\"," + labels + "} 4096\n"),
                    HasSubstr("ebb_stage_seconds_total{stage=\"backward\"," + labels + "} 1.5\n"),
                    HasSubstr("# TYPE ebb_stage_seconds_total counter\n"),
                    HasSubstr("# TYPE ebb_memory_peak_bytes gauge\n"), HasSubstr("UUID=\"\""),
                    Not(HasSubstr("place=\"device\"")), Not(HasSubstr("ebb_steps_total"))));
  mine.device = true;
  mine.name_device("GPU-0a");
  EXPECT_THAT(exposition_text(node, nullptr),
              AllOf(HasSubstr("place=\"device\""), HasSubstr("UUID=\"GPU-0a\"")));
}

TEST_F(Exposition, OfTheRunHasNoLabelsAndNothingThatIsNotKnown) {
  const comm::World world(0, nullptr);
  const NodeMetrics node(world, folder_, 10);
  RunMetrics run({"vae"});
  EXPECT_THAT(exposition_text(node, &run), Not(HasSubstr("ebb_steps_total")));  // not known yet
  run.started = true;
  run.steps = 12;
  std::string text = exposition_text(node, &run);
  EXPECT_THAT(text, AllOf(HasSubstr("\nebb_steps_total 12\n"), HasSubstr("\nebb_checkpoint_bytes 0\n"),
                          Not(HasSubstr("ebb_loss")), Not(HasSubstr("ebb_test_loss")),
                          Not(HasSubstr("ebb_tokens_total")), Not(HasSubstr("flops"))));
  run.phases[0].loss = 0.25;
  run.has_step = true;
  EXPECT_THAT(exposition_text(node, &run), HasSubstr("\nebb_loss 0.25\n"));
}

TEST_F(Exposition, CountsTheUnitOfASampleByItsName) {
  const comm::World world(0, nullptr);
  const NodeMetrics node(world, folder_, 10);
  RunMetrics run({"diffusion"});
  run.unit = {"frames", 16};
  run.samples = 8;
  EXPECT_THAT(exposition_text(node, &run), Not(HasSubstr("ebb_frames_total")));  // not known yet
  run.started = true;
  EXPECT_THAT(exposition_text(node, &run),
              HasSubstr("# TYPE ebb_frames_total counter\nebb_frames_total 128\n"));
}

TEST_F(Exposition, TellsPhasesApartWhereThereIsMoreThanOne) {
  const comm::World world(0, nullptr);
  const NodeMetrics node(world, folder_, 10);
  RunMetrics run({"discriminator", "generator"});
  run.phases[0].loss = 0.25;
  run.phases[1].loss_scale = 1024;
  run.has_step = true;
  EXPECT_THAT(exposition_text(node, &run), AllOf(HasSubstr("ebb_loss{phase=\"discriminator\"} 0.25\n"),
                                                 HasSubstr("ebb_loss_scale{phase=\"generator\"} 1024\n")));
}

TEST_F(Exposition, APortThatIsTakenIsRefusedWithItsNumber) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(fd, 1), 0);
  ASSERT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const int port = ntohs(address.sin_port);
  const comm::World world(0, nullptr);
  const NodeMetrics node(world, folder_, 10);
  try {
    const MetricsPort taken("all", port, node, nullptr);
    ADD_FAILURE() << "served on a port that another socket listens at";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::communication);
    EXPECT_THAT(error.what(), HasSubstr("port " + std::to_string(port) + " cannot be opened"));
  }
  ::close(fd);
  const MetricsPort free("127.0.0.1", port, node, nullptr);  // does not throw
}

}  // namespace
}  // namespace ebb::telemetry
