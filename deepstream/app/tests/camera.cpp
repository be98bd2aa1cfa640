#include "camera.h"

#include <catch2/catch.hpp>

using namespace sightline::app;

TEST_CASE("a frame inside the detectors keeps its arrival, however many are left out behind it") {
  Camera camera(0, 0, {}, true);
  // A minute of 25 frames a second, of which the detectors have two.
  for (std::int64_t pts = 0; pts < 1500; pts += 1) {
    camera.arrivals.add(pts, 1000 + pts);
    if (pts > 1) camera.leave_out(pts);
  }
  CHECK(camera.left_out_us == 2499);
  CHECK(camera.arrivals.take(0) == 1000);
  CHECK(camera.arrivals.take(1) == 1001);
}

TEST_CASE("a frame that comes through takes the arrivals before it along, one that is left out none but its own") {
  Arrivals arrivals;
  for (std::int64_t pts = 0; pts < 4; pts += 1) arrivals.add(pts, pts);
  CHECK(arrivals.take_out(2) == 2);
  CHECK_FALSE(arrivals.take_out(2));
  CHECK(arrivals.take(1) == 1);
  CHECK_FALSE(arrivals.take(0));
  CHECK(arrivals.take(3) == 3);
}
