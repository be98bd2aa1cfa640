#include "unit_clock.h"

#include <catch2/catch.hpp>

using namespace sightline::app;

namespace {

constexpr std::int64_t step = 40'000'000;

ArrivedUnit unit(std::int64_t number, bool key = false) {
  return {number * step, std::nullopt, key, 0, "x"};
}
ShownFrame frame(std::int64_t number, std::uint32_t generation = 1) {
  return {generation, number * step, number * 40'000};
}

std::vector<std::int64_t> numbers(const std::vector<ClockedUnit> &units) {
  std::vector<std::int64_t> found;
  found.reserve(units.size());
  for (const auto &one : units) found.push_back(one.pts / 3600);
  return found;
}

} // namespace

TEST_CASE("times are those of core/media-time.ts") {
  CHECK(to_pts_90k(0) == 0);
  CHECK(to_pts_90k(40'000'000) == 3600);
  CHECK(to_pts_90k(33'333'333) == 3000);
  CHECK(to_pts_90k(5'555) == 0);
  CHECK(to_pts_90k(5'556) == 1);
  CHECK(to_pts_90k(-5'556) == -1);
  CHECK(to_pts_90k(9'000'000'000'000'000'000) == 810'000'000'000'000);
}

TEST_CASE("units wait for the first frame, then leave at once") {
  UnitClock clock;
  CHECK(clock.push(unit(0, true)).empty());
  CHECK(clock.push(unit(1)).empty());
  CHECK(numbers(clock.shown(frame(0))) == std::vector<std::int64_t>{0, 1});
  const auto next = clock.push(unit(2));
  REQUIRE(next.size() == 1);
  CHECK(next[0].generation == 1);
  CHECK(next[0].camera_time_us == 80'000);
}

TEST_CASE("units before the first frame that was decoded are dropped") {
  UnitClock clock;
  for (int i = 0; i < 4; i += 1) clock.push(unit(i));
  CHECK(numbers(clock.shown(frame(2))) == std::vector<std::int64_t>{2, 3});
  CHECK(clock.dropped() == 2);
}

TEST_CASE("a new time line waits for its frame") {
  UnitClock clock;
  clock.push(unit(1000, true));
  clock.shown(frame(1000));
  CHECK(clock.push(unit(0, true)).empty());
  CHECK(clock.push(unit(1)).empty());
  CHECK(clock.shown(frame(1001)).empty());
  const auto anew = clock.shown(frame(0, 2));
  REQUIRE(anew.size() == 2);
  CHECK(anew[0].generation == 2);
}

TEST_CASE("decoding times rise and never pass the picture's own") {
  UnitClock clock;
  clock.push(unit(0, true));
  clock.shown(frame(0));
  std::int64_t last = -1;
  std::size_t sent = 0;
  // I B P in decoding order: 2 1 4 3 6 5 ...
  for (int i = 1; i < 40; i += 2) {
    for (const int number : {i + 1, i}) {
      for (const auto &one : clock.push(unit(number))) {
        CHECK(one.dts > last);
        CHECK(one.dts <= one.pts);
        last = one.dts;
        sent += 1;
      }
    }
  }
  CHECK(sent >= 38);
}
