#include "detector_trouble.h"

#include <catch2/catch.hpp>

using namespace sightline::app;

TEST_CASE("a detector fails until five seconds after the latest picture that it failed at") {
  constexpr std::int64_t second_us = 1'000'000;
  DetectorTrouble trouble;
  CHECK_FALSE(trouble.look(0, 10 * second_us));
  // Whatever the latest picture was.
  for (std::int64_t second = 11; second < 30; second += 1)
    CHECK(trouble.look(static_cast<std::uint64_t>(second / 4), second * second_us));
  CHECK(trouble.look(7, 32 * second_us));
  CHECK_FALSE(trouble.look(7, 33 * second_us));
  CHECK(trouble.look(8, 34 * second_us));
}
