#include "track_ids.h"

#include <catch2/catch.hpp>

using namespace sightline::app;

TEST_CASE("tracks are numbered from 1 in every epoch") {
  TrackIds ids;
  CHECK(ids.seen(0xffff'0000'0001, "face", "centerface", 0.9F, 0).id == 1);
  CHECK(ids.seen(7, "person", "yolov7", 0.9F, 0).id == 2);
  CHECK(ids.seen(0xffff'0000'0001, "face", "centerface", 0.8F, 40).id == 1);
  ids.clear();
  CHECK(ids.seen(7, "person", "yolov7", 0.9F, 0).id == 1);
}

TEST_CASE("a prediction is of a track that was detected") {
  TrackIds ids;
  CHECK(ids.known(7, 0) == nullptr);
  ids.seen(7, "person", "yolov7", 0.9F, 0);
  const Track *track = ids.known(7, 1000);
  REQUIRE(track != nullptr);
  CHECK(track->label == "person");
  CHECK(track->score == 0.9F);
}

TEST_CASE("a track that is not shown for three seconds has ended") {
  TrackIds ids;
  ids.seen(7, "person", "yolov7", 0.9F, 0);
  ids.seen(8, "person", "yolov7", 0.9F, 0);
  ids.known(8, 2000);
  CHECK(ids.take_ended(3000).empty());
  CHECK(ids.take_ended(3500) == std::vector<std::uint32_t>{1});
  CHECK(ids.seen(7, "person", "yolov7", 0.9F, 3600).id == 3);
  CHECK(ids.take_ended(5600) == std::vector<std::uint32_t>{2});
}
