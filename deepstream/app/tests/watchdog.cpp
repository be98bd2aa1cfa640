#include "watchdog.h"

#include <catch2/catch.hpp>

using namespace sightline::app;

namespace {

constexpr std::int64_t second_us = 1'000'000;
constexpr Limits limits{60'000, 10'000, 5000, 600'000, 32};

/** A pipeline that runs, as it is at `now`: whether a frame is on its way. */
Pulse running(std::int64_t now, std::int64_t batch, bool pending) {
  return {1, true, now, batch, pending};
}

} // namespace

TEST_CASE("a start has its own time") {
  WedgeRule rule(limits);
  CHECK_FALSE(rule.look({}, 1000 * second_us));
  CHECK_FALSE(rule.look({1, false, 0, 0, false}, 59 * second_us));
  CHECK(rule.look({1, false, 0, 0, false}, 61 * second_us) == "the pipeline has not started within 60 s");
}

TEST_CASE("frames that do not come through are a wedge, silence is none") {
  WedgeRule rule(limits);
  for (std::int64_t now = 100 * second_us; now < 200 * second_us; now += second_us)
    CHECK_FALSE(rule.look(running(now, 99 * second_us, false), now));
  // A frame is always under way while all is well.
  for (std::int64_t now = 200 * second_us; now < 300 * second_us; now += second_us)
    CHECK_FALSE(rule.look(running(now, now - second_us, true), now));
  for (std::int64_t now = 301 * second_us; now < 312 * second_us; now += second_us)
    CHECK_FALSE(rule.look(running(now, 299 * second_us, true), now));
  CHECK(rule.look(running(313 * second_us, 299 * second_us, true), 313 * second_us) ==
        "no batch for 10 s while sources deliver");
}

TEST_CASE("a frame is on its way until it or one that left a source later has come through") {
  CHECK_FALSE(is_pending({}));
  CHECK_FALSE(is_pending({{0, 0}, {0, 0}}));
  CHECK(is_pending({{5, 0}}));
  CHECK_FALSE(is_pending({{5, 5}, {0, 0}}));
  // A multiplexer that is stuck keeps the one that left before the one ahead of it came through.
  CHECK(is_pending({{5, 4}, {4, 3}}));
}

TEST_CASE("a source that falls silent with its last frame in a batch given up holds nothing up") {
  const std::vector<Passage> sources{{100 * second_us, 99 * second_us}, {130 * second_us, 130 * second_us}};
  CHECK_FALSE(is_pending(sources));
  WedgeRule rule(limits);
  for (std::int64_t now = 130 * second_us; now < 200 * second_us; now += second_us)
    CHECK_FALSE(rule.look(running(now, 130 * second_us, is_pending(sources)), now));
}

TEST_CASE("the first batch waits as long as a start may take") {
  WedgeRule rule(limits);
  CHECK_FALSE(rule.look(running(10 * second_us, 0, true), 10 * second_us));
  CHECK_FALSE(rule.look(running(60 * second_us, 0, true), 60 * second_us));
  CHECK(rule.look(running(71 * second_us, 0, true), 71 * second_us));
}

TEST_CASE("a batch with cameras that no batch held before waits as long as a start may take") {
  WedgeRule rule(limits);
  std::int64_t now = second_us;
  const auto wait = [&](std::int64_t seconds, bool growing) {
    const auto batch = now;
    std::optional<std::string> said;
    for (; now < batch + seconds * second_us && !said; now += second_us) {
      auto pulse = running(now, batch, true);
      pulse.growing = growing;
      said = rule.look(pulse, now);
    }
    return said;
  };
  CHECK_FALSE(wait(1, true));
  CHECK_FALSE(wait(13, true));
  // All of them have come through: what it took is known.
  CHECK_FALSE(wait(13, false));
  CHECK(wait(100, false) == "no batch for 36 s while sources deliver");
  CHECK(wait(100, true) == "no batch for 60 s while sources deliver");
}

TEST_CASE("a server that is slow is no wedge, one that hangs is, however slow it was") {
  WedgeRule rule(limits);
  std::int64_t now = second_us;
  /** Looks every second while the next batch is under way, for so long at most; what was said, if anything. */
  const auto wait = [&](std::int64_t seconds) {
    const auto batch = now;
    std::optional<std::string> said;
    for (; now < batch + seconds * second_us && !said; now += second_us) said = rule.look(running(now, batch, true), now);
    return said;
  };
  for (const auto seconds : {8, 20, 50, 60}) CHECK_FALSE(wait(seconds));
  // At most as long as a start.
  CHECK(wait(100) == "no batch for 60 s while sources deliver");
  // Quick again: that it was slow is forgotten.
  for (int i = 0; i < 60; i += 1) CHECK_FALSE(wait(2));
  CHECK(wait(100) == "no batch for 10 s while sources deliver");
}

TEST_CASE("a main thread that does not come back is a wedge") {
  WedgeRule rule(limits);
  CHECK(rule.look({1, true, 10 * second_us, 0, false}, 21 * second_us) ==
        "a change of the pipeline's state has not ended within 10 s");
}
