#include "library_texts.h"

#include <catch2/catch.hpp>

using namespace sightline::app;

TEST_CASE("a text is said once in ten seconds, and how many were left out with the next line") {
  constexpr std::int64_t second_us = 1'000'000;
  TextSluice sluice;
  CHECK(sluice.take("no memory", 1 * second_us) == 0);
  for (std::int64_t second = 2; second < 11; second += 1) CHECK_FALSE(sluice.take("no memory", second * second_us));
  CHECK(sluice.take("other", 10 * second_us) == 9);
  CHECK(sluice.take("no memory", 11 * second_us) == 0);
}

TEST_CASE("a text that was never said is said as soon as there is room for it") {
  constexpr std::int64_t second_us = 1'000'000;
  TextSluice sluice;
  for (unsigned line = 0; line < TextSluice::lines_per_second; line += 1)
    CHECK(sluice.take("line " + std::to_string(line), 1 * second_us) == 0);
  CHECK_FALSE(sluice.take("the one that matters", 1 * second_us));
  CHECK_FALSE(sluice.take("the one that matters", 2 * second_us - 1));
  CHECK(sluice.take("the one that matters", 2 * second_us) == 2);
}

TEST_CASE("what is left out behind the last line is there to be told once") {
  constexpr std::int64_t second_us = 1'000'000;
  TextSluice sluice;
  CHECK(sluice.take("no memory", 1 * second_us) == 0);
  CHECK_FALSE(sluice.take("no memory", 1 * second_us));
  CHECK(sluice.take_left_out() == 1);
  CHECK(sluice.take_left_out() == 0);
  CHECK(sluice.take("other", 2 * second_us) == 0);
}
