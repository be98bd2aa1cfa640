#include "decode_backlog.h"

#include <catch2/catch.hpp>

using namespace sightline::app;

namespace {

constexpr std::int64_t in_us = 1000;
constexpr int frame_ms = 100;
constexpr int frames_between_keys = 10;

/** A camera of ten frames a second, and a decoder that takes `decode_ms` for each of them from one moment to another. */
struct Decoded {
  std::int64_t longest_wait_ms = 0;
  int skipped = 0;
  /** Of units behind a skipped one that were decoded without a key picture before. */
  int broken = 0;
  int skipped_last_second = 0;
};

Decoded decoded(int seconds, int slow_from_s, int slow_to_s, int decode_ms) {
  DecodeBacklog backlog;
  Decoded seen;
  std::int64_t free_ms = 0;
  bool gap = false;
  for (int i = 0; i < seconds * 1000 / frame_ms; i += 1) {
    const std::int64_t came_ms = std::int64_t{i} * frame_ms;
    const std::int64_t now_ms = std::max(came_ms, free_ms);
    const bool key = i % frames_between_keys == 0;
    const bool skips = backlog.skips(key, (now_ms - came_ms) * in_us, now_ms * in_us);
    seen.longest_wait_ms = std::max(seen.longest_wait_ms, now_ms - came_ms);
    if (skips) {
      gap = true;
      seen.skipped += 1;
      if (came_ms >= (seconds - 1) * 1000) seen.skipped_last_second += 1;
      continue;
    }
    if (key) gap = false;
    if (gap) seen.broken += 1;
    const bool slow = now_ms >= slow_from_s * 1000 && now_ms < slow_to_s * 1000;
    free_ms = now_ms + (slow ? decode_ms : 10);
  }
  return seen;
}

} // namespace

TEST_CASE("a decoder that keeps up skips nothing, and neither does one that stood still for a moment") {
  CHECK(decoded(60, 0, 0, 0).skipped == 0);
  CHECK(decoded(60, 0, 60, 95).skipped == 0);
  // One picture takes five seconds: all that came meanwhile is made up for.
  const auto still = decoded(60, 10, 11, 5000);
  CHECK(still.skipped == 0);
  CHECK(still.longest_wait_ms >= 4900);
}

TEST_CASE("a decoder that is too slow is late by two seconds at most, and begins at key pictures alone") {
  for (const int decode_ms : {120, 200, 400, 700}) {
    INFO(decode_ms << " ms");
    const auto slow = decoded(120, 10, 120, decode_ms);
    CHECK(slow.skipped > 0);
    CHECK(slow.broken == 0);
    CHECK(slow.longest_wait_ms < 2000 + decode_ms);
    const auto over = decoded(120, 10, 100, decode_ms);
    CHECK(over.skipped_last_second == 0);
  }
}

TEST_CASE("nothing is skipped where no key picture is known to come, or nobody saw the units come") {
  DecodeBacklog one_key;
  CHECK_FALSE(one_key.skips(true, 0, 0));
  for (std::int64_t at = 1; at < 100; at += 1) CHECK_FALSE(one_key.skips(false, 5000 * in_us, at * 100 * in_us));
  DecodeBacklog unseen;
  for (std::int64_t at = 0; at < 100; at += 1) CHECK_FALSE(unseen.skips(at % 10 == 0, std::nullopt, at * 100 * in_us));
}
