#include "camera_states.h"

#include <catch2/catch.hpp>

using namespace sightline::app;

TEST_CASE("crops that are refused are a trouble once none was cut for three seconds, until one is") {
  constexpr std::int64_t second_us = 1'000'000;
  CropTrouble trouble;
  CHECK_FALSE(trouble.look(0, 0, 1 * second_us));
  CHECK_FALSE(trouble.look(5, 1, 2 * second_us));
  CHECK_FALSE(trouble.look(5, 2, 3 * second_us));
  CHECK_FALSE(trouble.look(5, 9, 5 * second_us));
  CHECK(trouble.look(5, 9, 6 * second_us));
  CHECK(trouble.look(5, 12, 60 * second_us));
  CHECK_FALSE(trouble.look(6, 12, 61 * second_us));
  CHECK_FALSE(trouble.look(6, 12, 90 * second_us));
}
