#include "outbox.h"

#include <catch2/catch.hpp>
#include <thread>

#include "labels.h"

using namespace sightline::app;

namespace {

FrameRecord frame(std::size_t camera, std::uint64_t sequence, std::size_t jpeg_bytes) {
  FrameRecord record{};
  record.camera = camera;
  record.sequence = sequence;
  record.objects.resize(1);
  record.objects[0].crop.emplace();
  record.objects[0].crop->jpeg.resize(jpeg_bytes);
  return record;
}

} // namespace

TEST_CASE("beyond its limit the outbox drops the oldest frames and counts them by camera") {
  Outbox outbox(100'000, 2);
  outbox.push({frame(0, 0, 60'000), frame(1, 1, 20'000)});
  outbox.push({frame(1, 2, 30'000)});
  CHECK(outbox.dropped(0) == 1);
  CHECK(outbox.dropped(1) == 0);
  const auto taken = outbox.take(1'000'000);
  REQUIRE(taken.size() == 2);
  CHECK(taken[0].sequence == 1);
  CHECK(outbox.take(1'000'000).empty());
  // One that is larger than all is sent all the same.
  outbox.push({frame(0, 3, 500'000)});
  CHECK(outbox.take(1).size() == 1);
}

TEST_CASE("frames are taken in their order, no more at once than asked for, and leave room for others") {
  Outbox outbox(100'000, 1);
  outbox.push({frame(0, 0, 30'000), frame(0, 1, 30'000), frame(0, 2, 30'000)});
  const auto first = outbox.take(40'000);
  REQUIRE(first.size() == 2);
  CHECK(first[1].sequence == 1);
  outbox.push({frame(0, 3, 60'000)});
  CHECK(outbox.dropped(0) == 0);
  const auto rest = outbox.take(1'000'000);
  REQUIRE(rest.size() == 2);
  CHECK(rest[0].sequence == 2);
}

TEST_CASE("who waits for room goes on when there is some, or when it is closed") {
  Room room;
  room.wait();
  room.set(false);
  std::thread first([&] { room.wait(); });
  room.set(true);
  first.join();
  room.set(false);
  std::thread second([&] { room.wait(); });
  room.close();
  second.join();
  SUCCEED();
}

TEST_CASE("labels belong to one open of the source") {
  LabelStore labels(1);
  labels.put(0, 2, {{7, true, "Ada", "#ff8000", 0.874F}});
  CHECK(words_of(labels.find(0, 2, 7), "face") == "Ada  similarity 0.87");
  CHECK_FALSE(labels.find(0, 1, 7));
  labels.put(0, 1, {{8, true, "old", "", 0}});
  CHECK(labels.find(0, 2, 7));
  labels.put(0, 3, {});
  CHECK_FALSE(labels.find(0, 2, 7));
  CHECK(words_of(std::nullopt, "face") == "face");
  CHECK(colour_of("#ff8000").green == Approx(128 / 255.0));
  CHECK(colour_of("#ff80").green == 1);
  CHECK(colour_of("red").red == 1);
}
