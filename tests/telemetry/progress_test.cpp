// SPDX-License-Identifier: Apache-2.0
#include "telemetry/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace ebb::telemetry {
namespace {

using ::testing::HasSubstr;

class ProgressTest : public ::testing::Test {
 protected:
  void SetUp() override { out_ = ::open_memstream(&text_, &size_); }
  void TearDown() override {
    std::fclose(out_);
    std::free(text_);
  }
  std::string written() {
    std::fflush(out_);
    return {text_, size_};
  }
  static ProgressState at_step(std::int64_t step) {
    return {step, 5123, "samples", 0.43210, 65536, 64 << 20};
  }
  Progress::ClockFunction clock() {
    return [this] { return now_s_; };
  }
  // The lines that a terminal shows: each line after its last carriage return.
  static std::vector<std::string> shown(const std::string& text) {
    std::vector<std::string> lines(1);
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\n') {
        lines.emplace_back();
      } else if (text[i] == '\r') {
        EXPECT_EQ(text.substr(i + 1, 3), "\x1b[K");
        lines.back().clear();
        i += 3;
      } else {
        lines.back() += text[i];
      }
    }
    if (lines.back().empty()) lines.pop_back();
    return lines;
  }
  char* text_ = nullptr;
  std::size_t size_ = 0;
  std::FILE* out_ = nullptr;
  double now_s_ = 0;
};

TEST_F(ProgressTest, ATerminalShowsOneLineThatIsUpdated) {
  Progress progress(out_, Screen::full, 2000, 5, clock(), 120);
  for (int step = 100; step <= 120; ++step, now_s_ += 1) progress.update(at_step(step));
  EXPECT_EQ(shown(written()),
            std::vector<std::string>{
                "step 120/2000 | loss 0.4321 | 5123 samples/s | scale 65536 | peak 64.0 MiB | 31m 20s left"});
  progress.finish();
  EXPECT_EQ(shown(written()).size(), 1u);
  EXPECT_EQ(written().back(), '\n');
}

TEST_F(ProgressTest, ATerminalIsUpdatedAtMostTenTimesASecond) {
  Progress progress(out_, Screen::full, 2000, 5, clock(), 120);
  for (int step = 1; step <= 1000; ++step, now_s_ += 0.001) progress.update(at_step(step));
  const std::string text = written();
  EXPECT_LE(std::count(text.begin(), text.end(), '\r'), 11);
  progress.finish();
  EXPECT_THAT(shown(written()).back(), HasSubstr("step 1000/2000")) << "the last state is not shown";
}

TEST_F(ProgressTest, ALineFitsTheTerminalAndKeepsTheStep) {
  for (int columns = 2; columns < 120; ++columns) {
    TearDown();
    SetUp();
    Progress progress(out_, Screen::full, 2000, 5, clock(), columns);
    progress.update(at_step(100));
    const std::string line = shown(written()).back();
    EXPECT_LT(line.size(), static_cast<std::size_t>(columns));
    EXPECT_EQ(line.substr(0, 13), std::string("step 100/2000").substr(0, line.size()));
  }
}

TEST_F(ProgressTest, ANarrowTerminalLosesTheScaleFirstAndTheLossLast) {
  Progress progress(out_, Screen::full, 2000, 5, clock(), 50);
  progress.update(at_step(100));
  EXPECT_EQ(shown(written()).back(), "step 100/2000 | loss 0.4321 | 5123 samples/s");
  TearDown();
  SetUp();
  Progress narrow(out_, Screen::full, 2000, 5, clock(), 30);
  narrow.update(at_step(100));
  EXPECT_EQ(shown(written()).back(), "step 100/2000 | loss 0.4321");
}

TEST_F(ProgressTest, ANoteIsPrintedAboveTheLine) {
  Progress progress(out_, Screen::full, 2000, 5, clock(), 120);
  progress.note("before");
  progress.update(at_step(1));
  progress.note("a note");
  const auto lines = shown(written());
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0], "before");
  EXPECT_EQ(lines[1], "a note");
  EXPECT_THAT(lines[2], HasSubstr("step 1/2000"));
}

TEST_F(ProgressTest, WithoutATerminalALineIsPrintedEveryFewSeconds) {
  Progress progress(out_, Screen::none, 2000, 5, clock());
  for (int step = 1; step <= 12; ++step, now_s_ += 1) progress.update(at_step(step));
  progress.note("a note");
  progress.finish();
  const std::string text = written();
  EXPECT_EQ(text.find('\r'), std::string::npos);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  const auto lines = shown(text);
  ASSERT_EQ(lines.size(), 5u) << text;
  EXPECT_THAT(lines[0], HasSubstr("step 1/2000"));
  EXPECT_THAT(lines[1], HasSubstr("step 6/2000"));
  EXPECT_THAT(lines[2], HasSubstr("step 11/2000"));
  EXPECT_EQ(lines[3], "a note");
  EXPECT_THAT(lines[4], HasSubstr("step 12/2000"));
}

TEST_F(ProgressTest, WhatTheRunDoesBetweenTwoStepsIsShownUntilItEnds) {
  Progress progress(out_, Screen::full, 2000, 5, clock(), 60);
  progress.update(at_step(100));
  progress.begin_work("evaluating");
  EXPECT_EQ(shown(written()).back(), "step 100/2000 | evaluating | loss 0.4321 | 5123 samples/s");
  progress.end_work();
  progress.note("step 100: test loss 0.5");
  auto lines = shown(written());
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[1], "step 100/2000 | loss 0.4321 | 5123 samples/s");
  progress.begin_work("evaluating");
  now_s_ = 1;
  progress.update(at_step(101));
  lines = shown(written());
  EXPECT_EQ(lines.back().find("evaluating"), std::string::npos) << lines.back();
}

TEST_F(ProgressTest, AnEvaluationBeforeTheFirstStepIsShownWithoutFigures) {
  Progress progress(out_, Screen::full, 2000, 5, clock(), 60);
  progress.begin_work("evaluating");
  EXPECT_EQ(shown(written()), std::vector<std::string>{"evaluating"});
}

TEST_F(ProgressTest, WithoutATerminalWorkIsShownIfTheLastLineIsOld) {
  Progress progress(out_, Screen::none, 2000, 5, clock());
  progress.update(at_step(1));
  now_s_ = 4;
  progress.begin_work("evaluating");
  EXPECT_EQ(shown(written()).size(), 1U);
  progress.end_work();
  now_s_ = 5;
  progress.begin_work("evaluating");
  EXPECT_THAT(shown(written()).back(), HasSubstr("step 1/2000 | evaluating | loss"));
}

TEST_F(ProgressTest, ADumbTerminalGetsLinesThatFitAndNoEscapes) {
  Progress progress(out_, Screen::plain, 2000, 5, clock(), 40);
  for (int step = 1; step <= 12; ++step, now_s_ += 1) progress.update(at_step(step));
  progress.note("a note that is longer than the forty columns of this terminal");
  progress.finish();
  const std::string text = written();
  EXPECT_EQ(text.find_first_of("\r\x1b"), std::string::npos) << text;
  for (const std::string& line : shown(text)) EXPECT_LE(line.size(), 40U) << line;
  EXPECT_THAT(text, HasSubstr("a note that is longer than the forty\n  columns of this terminal\n"));
}

TEST_F(ProgressTest, TheTimeLeftIsComputedFromTheStepsOfThisRun) {
  Progress progress(out_, Screen::full, 2000, 5, clock(), 120);
  progress.update(at_step(1000));
  EXPECT_EQ(shown(written()).back().find("left"), std::string::npos);
  now_s_ = 10;
  progress.update(at_step(1010));
  EXPECT_THAT(shown(written()).back(), HasSubstr("16m 30s left"));
  now_s_ = 20;
  progress.update(at_step(2000));
  EXPECT_EQ(shown(written()).back().find("left"), std::string::npos);
}

}  // namespace
}  // namespace ebb::telemetry
