#include "renewal_rule.h"

#include <catch2/catch.hpp>

using namespace sightline::app;

namespace {

constexpr std::int64_t after(std::int64_t seconds) {
  return seconds * 1'000'000;
}

} // namespace

TEST_CASE("a bin that does nothing about its silence is made anew after three intervals") {
  RenewalRule rule(5, 1);
  const SourcePulse pulse{after(1), after(100), 0};
  CHECK_FALSE(rule.due(pulse, after(118)));
  CHECK(rule.due(pulse, after(118) + 1));
}

TEST_CASE("resets of many cameras wait for each other, and so do renewals") {
  RenewalRule rule(5, 10);
  CHECK_FALSE(rule.due({after(1), after(100), 0}, after(144)));
  CHECK(rule.due({after(1), after(100), 0}, after(146)));
}

TEST_CASE("a bin that tries is left alone for five minutes") {
  RenewalRule rule(5, 1);
  CHECK_FALSE(rule.due({after(1), after(100), after(395)}, after(403)));
  CHECK(rule.due({after(1), after(100), after(400)}, after(403) + 1));
  // And for longer where no picture has ever come, from its opening on.
  CHECK_FALSE(rule.due({after(100), 0, after(110)}, after(120)));
}

TEST_CASE("a renewal that does not help lets the next wait twice as long, until there is a picture") {
  RenewalRule rule(5, 1);
  SourcePulse pulse{after(1), after(100), 0};
  REQUIRE(rule.due(pulse, after(119)));
  rule.renewed(after(119));
  CHECK(rule.in_vain() == 1);
  CHECK_FALSE(rule.due(pulse, after(155)));
  CHECK(rule.due(pulse, after(156)));
  for (int times = 0; times < 20; times += 1) rule.renewed(after(156));
  CHECK(rule.due(pulse, after(156 + 32 * 18 + 1)));
  pulse.picture_us = after(160);
  CHECK_FALSE(rule.due(pulse, after(161)));
  CHECK(rule.in_vain() == 0);
  CHECK(rule.due(pulse, after(179)));
}
