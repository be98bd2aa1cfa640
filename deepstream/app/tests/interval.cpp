#include "interval.h"

#include <catch2/catch.hpp>

using namespace sightline::app;

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
