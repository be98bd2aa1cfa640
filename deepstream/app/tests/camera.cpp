#include "camera.h"

#include <catch2/catch.hpp>

using namespace sightline::app;

TEST_CASE("a frame inside the detectors keeps its arrival, however many are left out behind it") {
  Camera camera(0, 0, {}, true);
  // A minute of 25 frames a second, of which the detectors have two.
  for (std::int64_t pts = 0; pts < 1500; pts += 1) {
    camera.arrivals.add(pts, 1000 + pts);
    camera.reach_gate(pts, static_cast<int>(pts), pts < 2);
  }
  CHECK(camera.left_out_arrived_us == 2499);
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

TEST_CASE("frames are counted as left out at once, those that the queue before the gate gave up with them") {
  Camera camera(0, 0, {}, true);
  camera.reach_gate(0, 0, true);
  CHECK(camera.passed_over() == 0);
  camera.reach_gate(1, 1, false);
  CHECK(camera.passed_over() == 1);
  camera.reach_gate(5, 5, true);
  CHECK(camera.passed_over() == 4);
  // The multiplexer begins again.
  camera.reach_gate(6, 0, true);
  CHECK(camera.passed_over() == 4);
  // The probe behind the detectors has counted them as well.
  camera.frames_dropped = 4;
  CHECK(camera.passed_over() == 4);
}
