#include "detector_gate.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <vector>

using namespace sightline::app;

namespace {

constexpr std::int64_t a_ms = 1000;

struct Gated {
  int left_out = 0;
  int looked_at = 0;
  std::int64_t longest_ms = 0;
  /** Of the second half. */
  std::int64_t steady_ms = 0;
};

/** Batches every 40 ms through detectors one behind the other, each of which takes `look_ms` for every `nth` batch and none for
 * the others. */
Gated gated(std::size_t detectors, int seconds, int look_ms, int nth = 1) {
  DetectorGate gate(detectors);
  struct Through {
    std::uint64_t number;
    std::int64_t came_ms;
    std::int64_t leaves_ms;
  };
  std::vector<Through> through;
  std::vector<std::int64_t> free_ms(detectors, 0);
  Gated seen;
  int admitted = 0;
  for (std::uint64_t number = 0; number < static_cast<std::uint64_t>(seconds) * 25; number += 1) {
    const auto now_ms = static_cast<std::int64_t>(number) * 40;
    while (!through.empty() && through.front().leaves_ms <= now_ms) {
      gate.leave({0, through.front().number}, through.front().leaves_ms * a_ms);
      through.erase(through.begin());
    }
    if (!gate.enter({0, number}, static_cast<unsigned>(nth - 1), now_ms * a_ms)) {
      seen.left_out += 1;
      continue;
    }
    const bool looks = admitted++ % nth == 0;
    std::int64_t at_ms = now_ms;
    for (auto &free : free_ms) {
      at_ms = std::max(at_ms, free) + (looks ? look_ms : 0);
      free = at_ms;
    }
    if (looks) seen.looked_at += 1;
    seen.longest_ms = std::max(seen.longest_ms, at_ms - now_ms);
    if (2 * now_ms > seconds * 1000) seen.steady_ms = std::max(seen.steady_ms, at_ms - now_ms);
    through.push_back({number, now_ms, at_ms});
  }
  return seen;
}

} // namespace

TEST_CASE("detectors that keep up get every batch, however long one look takes") {
  for (const std::size_t detectors : {1U, 2U, 3U}) {
    CHECK(gated(detectors, 60, 5).left_out == 0);
    CHECK(gated(detectors, 60, 38).left_out == 0);
  }
  // Five looks a second of 150 ms: four batches wait for each.
  CHECK(gated(1, 60, 150, 5).left_out == 0);
  CHECK(gated(2, 60, 150, 5).left_out == 0);
}

TEST_CASE("detectors that do not keep up are given as much as they can do, and nothing waits for long") {
  for (const std::size_t detectors : {1U, 2U, 3U}) {
    for (const int look_ms : {60, 100, 300, 700, 2000}) {
      INFO(detectors << " detectors, " << look_ms << " ms");
      const auto slow = gated(detectors, 120, look_ms);
      CHECK(slow.left_out > 0);
      // Half a second of waiting beside the looks; until one has shown how long it takes four are inside.
      CHECK(slow.steady_ms <= 500 + static_cast<std::int64_t>(detectors) * look_ms);
      CHECK(slow.longest_ms <= 500 + static_cast<std::int64_t>(detectors + 3) * look_ms);
      CHECK(slow.looked_at >= 0.8 * 120'000 / look_ms);
    }
  }
}

TEST_CASE("a detector that never answers gets no more, and is busy") {
  DetectorGate gate(2);
  int entered = 0;
  for (std::uint64_t number = 0; number < 1000; number += 1)
    if (gate.enter({0, number}, 0, static_cast<std::int64_t>(number) * 40 * a_ms)) entered += 1;
  CHECK(entered <= 5);
  CHECK(gate.busy());
}

TEST_CASE("what was overtaken is gone") {
  DetectorGate gate(1);
  CHECK_FALSE(gate.busy());
  CHECK(gate.enter({0, 1}, 0, 1 * a_ms));
  CHECK(gate.enter({1, 1}, 0, 2 * a_ms));
  gate.leave({1, 1}, 3 * a_ms);
  CHECK_FALSE(gate.busy());
}

TEST_CASE("batches that are others behind the detectors keep the gate open all the same") {
  DetectorGate gate(1);
  gate.leave({7, 7}, 1 * a_ms);
  for (std::uint64_t number = 1; number < 100; number += 1) {
    const auto now_us = static_cast<std::int64_t>(number) * 40 * a_ms;
    REQUIRE(gate.enter({0, number}, 0, now_us));
    gate.leave({1, number + 7}, now_us + 20 * a_ms);
    REQUIRE_FALSE(gate.busy());
  }
}
