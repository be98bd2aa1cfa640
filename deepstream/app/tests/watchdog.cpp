#include "watchdog.h"

#include <catch2/catch.hpp>

using namespace sightline::app;

namespace {

constexpr std::int64_t second_us = 1'000'000;
constexpr Limits limits{60'000, 10'000, 5000, 600'000, 32};

/** A pipeline that runs, as it is at `now`. */
Pulse running(std::int64_t now, std::int64_t batch, std::int64_t delivered) {
  return {1, true, now, batch, delivered};
}

} // namespace

TEST_CASE("a start has its own time") {
  WedgeRule rule(limits);
  CHECK_FALSE(rule.look({}, 1000 * second_us));
  CHECK_FALSE(rule.look({1, false, 0, 0, 0}, 59 * second_us));
  CHECK(rule.look({1, false, 0, 0, 0}, 61 * second_us) == "the pipeline has not started within 60 s");
}

TEST_CASE("frames that do not come through are a wedge, silence is none") {
  WedgeRule rule(limits);
  for (std::int64_t now = 100 * second_us; now < 200 * second_us; now += second_us)
    CHECK_FALSE(rule.look(running(now, 99 * second_us, 98 * second_us), now));
  // A frame is always under way while all is well.
  for (std::int64_t now = 200 * second_us; now < 300 * second_us; now += second_us)
    CHECK_FALSE(rule.look(running(now, now - second_us, now), now));
  for (std::int64_t now = 301 * second_us; now < 312 * second_us; now += second_us)
    CHECK_FALSE(rule.look(running(now, 299 * second_us, 300 * second_us), now));
  CHECK(rule.look(running(313 * second_us, 299 * second_us, 300 * second_us), 313 * second_us) ==
        "no batch for 10 s while sources deliver");
}

TEST_CASE("the first batch waits as long as a start may take") {
  WedgeRule rule(limits);
  CHECK_FALSE(rule.look(running(10 * second_us, 0, 9 * second_us), 10 * second_us));
  CHECK_FALSE(rule.look(running(60 * second_us, 0, 59 * second_us), 60 * second_us));
  CHECK(rule.look(running(71 * second_us, 0, 70 * second_us), 71 * second_us));
}

TEST_CASE("a main thread that does not come back is a wedge") {
  WedgeRule rule(limits);
  CHECK(rule.look({1, true, 10 * second_us, 0, 0}, 21 * second_us) ==
        "a change of the pipeline's state has not ended within 10 s");
}
