#include "renewal_plan.h"

#include <catch2/catch.hpp>

using namespace sightline::app;
using Act = RenewalPlan::Act;
using Why = RenewalPlan::Why;

namespace {

constexpr std::int64_t at(std::int64_t seconds) {
  return seconds * 1'000'000;
}

/** A camera with its latest picture at so many seconds. */
SourceSight camera(std::int64_t picture_s) {
  return {{at(1), at(picture_s), 0}, true, false};
}

/** A film at the end of its round. */
SourceSight film(std::int64_t picture_s) {
  return {{at(1), picture_s == 0 ? 0 : at(picture_s), 0}, false, true};
}

} // namespace

TEST_CASE("a source that failed is taken down at once, and opened thirty seconds after it failed") {
  RenewalPlan plan(5, 1);
  CHECK(plan.failed(0, at(100)));
  CHECK_FALSE(plan.failed(0, at(110)));
  const auto step = plan.next({camera(100)}, at(100));
  CHECK(step.act == Act::take_down);
  CHECK(step.why == Why::failed);
  plan.taken_down(at(101));
  CHECK(plan.in_vain(0) == 0);
  CHECK(plan.rests(0));
  CHECK(plan.next({camera(100)}, at(129)).act == Act::none);
  CHECK(plan.next({camera(100)}, at(130)).act == Act::open);
  CHECK_FALSE(plan.rests(0));
  CHECK(plan.next({camera(131)}, at(131)).act == Act::none);
}

TEST_CASE("a silent source that fails is made anew once, by its failure") {
  RenewalPlan plan(5, 1);
  plan.failed(0, at(110));
  REQUIRE(plan.next({camera(100)}, at(110)).why == Why::failed);
  plan.taken_down(at(110));
  // It would be due at 118.
  CHECK(plan.next({camera(100)}, at(125)).act == Act::none);
}

TEST_CASE("a film begins its next round at once") {
  RenewalPlan plan(5, 1);
  const auto step = plan.next({film(7)}, at(8));
  CHECK(step.act == Act::take_down);
  CHECK(step.why == Why::round_over);
  plan.taken_down(at(8));
  CHECK(plan.next({film(7)}, at(8)).act == Act::open);
}

TEST_CASE("a film without a picture in its round has failed") {
  RenewalPlan plan(5, 1);
  CHECK(plan.next({film(0)}, at(8)).act == Act::fail);
  plan.failed(0, at(8));
  CHECK(plan.next({film(0)}, at(8)).why == Why::failed);
  plan.taken_down(at(8));
  CHECK(plan.next({film(0)}, at(37)).act == Act::none);
  CHECK(plan.next({film(0)}, at(38)).act == Act::open);
}

TEST_CASE("one bin at a time is taken down; who waits is next") {
  RenewalPlan plan(5, 3);
  const std::vector<SourceSight> seen{camera(100), film(99), film(99)};
  CHECK(plan.next(seen, at(101)).camera == 1);
  CHECK(plan.next(seen, at(101)).act == Act::none);
  const auto gone = plan.taken_down(at(102));
  CHECK(gone.camera == 1);
  const auto opened = plan.next(seen, at(102));
  CHECK(opened.act == Act::open);
  CHECK(opened.camera == 1);
  const auto next = plan.next({camera(100), {{at(102), at(99), 0}, false, false}, film(99)}, at(102));
  CHECK(next.act == Act::take_down);
  CHECK(next.camera == 2);
}

TEST_CASE("others are opened while one is being taken down") {
  RenewalPlan plan(5, 2);
  plan.failed(1, at(100));
  REQUIRE(plan.next({camera(100), camera(100)}, at(100)).camera == 1);
  plan.taken_down(at(100));
  plan.failed(0, at(101));
  REQUIRE(plan.next({camera(100), camera(100)}, at(101)).camera == 0);
  const auto step = plan.next({camera(100), camera(100)}, at(130));
  CHECK(step.act == Act::open);
  CHECK(step.camera == 1);
}

TEST_CASE("a bin that hangs for a minute is told once, and ends the program when another waits for its turn") {
  RenewalPlan plan(5, 2);
  REQUIRE(plan.next({camera(100), camera(140)}, at(140)).why == Why::silent);
  CHECK(plan.next({camera(100), camera(200)}, at(200)).act == Act::none);
  CHECK(plan.next({camera(100), camera(201)}, at(201)).act == Act::hangs);
  CHECK(plan.next({camera(100), camera(201)}, at(201)).act == Act::none);
  CHECK(plan.next({camera(100), camera(999)}, at(1000)).act == Act::none);
  const auto end = plan.next({camera(100), film(999)}, at(1000));
  CHECK(end.act == Act::end);
  CHECK(end.camera == 0);
}

TEST_CASE("a bin that hangs ends the program when it is the only one") {
  RenewalPlan plan(5, 1);
  REQUIRE(plan.next({film(7)}, at(8)).act == Act::take_down);
  REQUIRE(plan.next({film(7)}, at(69)).act == Act::hangs);
  CHECK(plan.next({film(7)}, at(69)).act == Act::end);
}

TEST_CASE("a bin that comes down late is opened, and what hangs next has its own minute") {
  RenewalPlan plan(5, 2);
  const std::vector<SourceSight> seen{camera(100), camera(300)};
  REQUIRE(plan.next(seen, at(140)).act == Act::take_down);
  REQUIRE(plan.next(seen, at(201)).act == Act::hangs);
  plan.taken_down(at(300));
  CHECK(plan.in_vain(0) == 1);
  CHECK(plan.next(seen, at(300)).act == Act::open);
  plan.failed(1, at(300));
  REQUIRE(plan.next({camera(300), camera(300)}, at(300)).camera == 1);
  CHECK(plan.next({camera(350), camera(300)}, at(350)).act == Act::none);
  CHECK(plan.next({camera(361), camera(300)}, at(361)).act == Act::hangs);
}
