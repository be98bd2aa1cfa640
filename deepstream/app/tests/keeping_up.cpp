#include "keeping_up.h"

#include <catch2/catch.hpp>
#include <map>
#include <vector>

using namespace sightline::app;

namespace {

struct Second {
  double done;
  double due;
  double passed_over;
};

std::vector<Second> seconds(int count, Second each) {
  return std::vector<Second>(static_cast<std::size_t>(count), each);
}

std::vector<Second> operator+(std::vector<Second> first, const std::vector<Second> &then) {
  first.insert(first.end(), then.begin(), then.end());
  return first;
}

/** Verdicts by second. */
std::map<int, PaceVerdict> verdicts(const std::vector<Second> &each, const PaceLimits &limits = look_limits) {
  KeepingUp keeping(limits);
  std::map<int, PaceVerdict> told;
  WorkDone totals;
  keeping.add(totals, 0);
  int at = 0;
  for (const auto &second : each) {
    totals.done += second.done;
    totals.due += second.due;
    totals.passed_over += second.passed_over;
    at += 1;
    if (const auto verdict = keeping.add(totals, at * std::int64_t{1'000'000})) told[at] = *verdict;
  }
  return told;
}

} // namespace

TEST_CASE("nothing is said while a camera is looked at as often as asked, or for a busy moment") {
  CHECK(verdicts(seconds(60, {5, 5, 0})).empty());
  CHECK(verdicts(seconds(60, {0, 0, 0})).empty());
  CHECK(verdicts(seconds(20, {5, 5, 0}) + seconds(1, {1, 5, 4}) + seconds(30, {5, 5, 0})).empty());
}

TEST_CASE("frames that were left out are no news where those that were due are looked at") {
  CHECK(verdicts(seconds(60, {5, 5, 15})).empty());
}

TEST_CASE("looks that are rarer for another reason than too much to do are not called late") {
  CHECK(verdicts(seconds(60, {4, 5, 0})).empty());
}

TEST_CASE("after ten seconds it is said how much of what is asked is looked at, once, and when it is over") {
  const auto told = verdicts(seconds(25, {2, 5, 20}) + seconds(60, {5, 5, 0}));
  REQUIRE(told.size() == 2);
  CHECK(told.begin()->first == 10);
  CHECK(told.begin()->second.late);
  CHECK(told.begin()->second.fps == Approx(2));
  CHECK(told.begin()->second.due_fps == Approx(5));
  CHECK(told.rbegin()->first == 54);
  CHECK_FALSE(told.rbegin()->second.late);
}

TEST_CASE("it is said again after a minute when it has become clearly more or less") {
  const auto told = verdicts(seconds(20, {4, 5, 20}) + seconds(110, {1, 5, 20}));
  REQUIRE(told.size() >= 2);
  CHECK(told.size() <= 3);
  CHECK(told.rbegin()->second.fps < 2);
  // One look more or less in some seconds is none.
  std::vector<Second> uneven;
  for (int i = 0; i < 600; i += 1) uneven.push_back({i % 3 == 0 ? 1.0 : 0.0, 5, 20});
  CHECK(verdicts(uneven).size() == 1);
}

TEST_CASE("a single unit that is not decoded counts, and is remembered for three minutes") {
  const auto told = verdicts(seconds(20, {25, 25, 0}) + seconds(1, {0, 25, 25}) + seconds(300, {25, 25, 0}), decode_limits);
  REQUIRE(told.size() == 2);
  CHECK(told.begin()->first == 21);
  CHECK(told.rbegin()->first >= 200);
}

TEST_CASE("what is decoded in whole for long is late once for a burst of skipped units, however short") {
  for (const double units : {1.0, 20.0}) {
    INFO(units << " units");
    const auto told =
        verdicts(seconds(300, {25, 25, 0}) + seconds(1, {25 - units, 25, units}) + seconds(300, {25, 25, 0}), decode_limits);
    REQUIRE(told.size() == 2);
    CHECK(told.begin()->first == 301);
    CHECK(told.begin()->second.late);
    CHECK(told.rbegin()->first == 481);
    CHECK_FALSE(told.rbegin()->second.late);
  }
}
