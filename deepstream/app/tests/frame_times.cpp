#include "frame_times.h"

#include <catch2/catch.hpp>

using namespace sightline::app;

namespace {

constexpr std::int64_t second = 1'000'000'000;
constexpr std::int64_t wall = 1'800'000'000'000'000;

FrameArrival at(std::int64_t pts_ns, std::int64_t passed_us, std::int64_t ntp_us = 0) {
  return {pts_ns, passed_us, wall + passed_us, ntp_us};
}

} // namespace

TEST_CASE("an epoch begins with the first frame and with a new time line") {
  FrameTimes times(true);
  CHECK(times.next(at(5 * second, 0)).begins);
  const auto second1 = times.next(at(6 * second, 1'000'000));
  CHECK_FALSE(second1.begins);
  CHECK(second1.media_ms == 1000);
  // A hiccup keeps it, and time stamps grow all the same.
  const auto hiccup = times.next(at(6 * second - 1000, 1'040'000));
  CHECK_FALSE(hiccup.begins);
  CHECK(hiccup.pts == 6 * second + 1);
  CHECK(times.next(at(1 * second, 1'080'000)).begins);
  // A pause is none, a leap is one.
  CHECK_FALSE(times.next(at(61 * second, 61'080'000)).begins);
  CHECK(times.next(at(80 * second, 61'120'000)).begins);
  times.restart();
  const auto anew = times.next(at(80 * second + 40, 61'160'000));
  CHECK(anew.begins);
  CHECK(anew.media_ms == 0);
}

TEST_CASE("camera time is the sender's where it can be believed") {
  FrameTimes times(true);
  CHECK_FALSE(times.next(at(0, 0)).rtcp);
  const auto reported = times.next(at(40'000'000, 40'000, wall + 40'000 - 200'000 + 500'000));
  CHECK(reported.rtcp);
  CHECK(reported.camera_time_us == wall + 340'000);
  const auto far = times.next(at(80'000'000, 80'000, wall + 10'000'000));
  CHECK_FALSE(far.rtcp);
  CHECK(far.camera_time_us > reported.camera_time_us);
  CHECK(far.camera_time_us < wall + 1'000'000);
}

TEST_CASE("camera time never runs backwards by jitter") {
  FrameTimes times(true);
  std::int64_t last = 0;
  for (int i = 0; i < 200; i += 1) {
    const auto clock = times.next(at(i * 40'000'000LL, i * 40'000LL + (i % 3) * 15'000));
    CHECK(clock.camera_time_us > last);
    last = clock.camera_time_us;
  }
}

TEST_CASE("a file's camera time is media time since it was opened, however fast it is read") {
  FrameTimes times(false);
  times.next(at(0, 0));
  CHECK(times.next(at(60 * second, 1000)).camera_time_us == wall + 60'000'000);
  CHECK_FALSE(times.next(at(90 * second, 1100)).begins);
  // Its next round goes on from there.
  const auto round = times.next(at(0, 1200));
  CHECK(round.begins);
  CHECK(round.camera_time_us == wall + 90'000'000);
}
