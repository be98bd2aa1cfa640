#include "interval.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <vector>

#include "detector_gate.h"

using namespace sightline::app;

namespace {

struct Settled {
  unsigned interval = 0;
  /** Of the last ten seconds. */
  int left_out = 0;
  int looked_at = 0;
};

/** A minute of a camera of 25 frames a second, of which `fps` are asked, before the gate of one detector whose looks take so
 * long; it begins without an interval, as the program does. */
Settled settled(double fps, int look_ms) {
  constexpr std::int64_t a_ms = 1000;
  struct Through {
    std::uint64_t number;
    std::int64_t leaves_ms;
    bool looked;
  };
  Camera camera(0, 0, {}, true);
  DetectorGate gate(1);
  LookMeter meter;
  Settled seen;
  std::vector<Through> inside;
  std::int64_t free_ms = 0;
  std::uint64_t next_number = 0;
  unsigned since_look = 240;
  for (std::uint64_t number = 0; number < 60 * 25; number += 1) {
    const auto now_ms = static_cast<std::int64_t>(number) * 40;
    while (!inside.empty() && inside.front().leaves_ms <= now_ms) {
      const Through through = inside.front();
      inside.erase(inside.begin());
      gate.leave({0, through.number}, through.leaves_ms * a_ms);
      camera.frames_seen += 1;
      if (through.looked) camera.frames_detected += 1;
      // As the probe counts: with the next that comes through.
      camera.frames_dropped += through.number - next_number;
      next_number = through.number + 1;
      camera.media_ms = static_cast<double>(through.number) * 40;
    }
    if (now_ms % 2000 == 0)
      if (const auto looks = meter.take(camera))
        seen.interval = next_interval(seen.interval, fps, {*looks}).value_or(seen.interval);
    const bool counts = now_ms >= 50'000;
    if (!gate.enter({0, number}, seen.interval, now_ms * a_ms)) {
      if (counts) seen.left_out += 1;
      continue;
    }
    const bool looks = since_look >= seen.interval;
    since_look = looks ? 0 : since_look + 1;
    if (counts && looks) seen.looked_at += 1;
    free_ms = std::max(now_ms, free_ms) + (looks ? look_ms : 0);
    inside.push_back({number, free_ms, looks});
  }
  return seen;
}

} // namespace

TEST_CASE("detectors with time for what is asked, though not for every frame, leave out nothing") {
  for (const int look_ms : {10, 38, 60, 100, 150, 180}) {
    INFO(look_ms << " ms");
    const auto five = settled(5, look_ms);
    CHECK(five.interval == 4);
    CHECK(five.left_out == 0);
    CHECK(five.looked_at == 50);
  }
}

TEST_CASE("detectors without time for what is asked look as often as they can") {
  for (const int look_ms : {300, 700}) {
    INFO(look_ms << " ms");
    CHECK(settled(5, look_ms).looked_at >= 0.8 * 10'000 / look_ms);
  }
}

TEST_CASE("as many batches are left out as the frame rate allows") {
  CHECK(next_interval(0, 5, {{25, 25}}) == 4U);
  CHECK(next_interval(4, 5, {{24.9, 5}}) == 4U);
  CHECK(next_interval(4, 5, {{25, 5}, {15, 3}}) == 2U);
  CHECK(next_interval(3, 30, {{25, 6}}) == 0U);
  CHECK(next_interval(0, 0.01, {{25, 25}}) == 240U);
}

TEST_CASE("nothing is changed while no source gives frames") {
  CHECK_FALSE(next_interval(4, 5, {}));
  CHECK_FALSE(next_interval(4, 5, {{0, 0}}));
}

TEST_CASE("a source that is passed over makes it smaller") {
  // Two sources whose frames come in batches of their own: every second batch holds none of the one.
  CHECK(next_interval(4, 5, {{25, 10}, {25, 0}}) == 3U);
  CHECK(next_interval(0, 5, {{25, 0}}) == 0U);
  CHECK(next_interval(1, 20, {{25, 20}, {25, 5}}) == 0U);
}
