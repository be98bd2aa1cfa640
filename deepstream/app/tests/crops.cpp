#include "crops.h"

#include <catch2/catch.hpp>

using namespace sightline::app;

namespace {

constexpr CropOptions options{true, true, 24, 64, 2000, 0.15};

} // namespace

TEST_CASE("every detection of a track is wanted until it is decided") {
  CropPolicy policy(options);
  for (const double ms : {0., 200., 400.}) {
    CHECK(policy.wants(1, "face", 50, 0.3, ms));
    policy.cropped(1, 0.3, ms);
  }
}

TEST_CASE("a decided track is wanted again when it is clearly better or too old") {
  CropPolicy policy(options);
  policy.cropped(1, 0.5, 0);
  policy.decided(1, true);
  CHECK_FALSE(policy.wants(1, "face", 50, 0.6, 1000));
  CHECK(policy.wants(1, "face", 50, 0.65, 1000));
  CHECK(policy.wants(1, "face", 50, 0.1, 2000));
  policy.cropped(1, 0.1, 2000);
  CHECK_FALSE(policy.wants(1, "face", 50, 0.6, 3000));
  policy.ended({1});
  CHECK(policy.wants(1, "face", 50, 0.1, 3001));
}

TEST_CASE("nothing small is wanted, and no label that is not compared") {
  const CropPolicy policy(options);
  CHECK_FALSE(policy.wants(1, "face", 23.9, 1, 0));
  CHECK(policy.wants(1, "face", 24, 1, 0));
  CHECK_FALSE(policy.wants(1, "person", 63, 1, 0));
  CHECK(policy.wants(1, "person", 64, 1, 0));
  CHECK_FALSE(policy.wants(1, "dog", 300, 1, 0));
  CHECK_FALSE(CropPolicy({}).wants(1, "face", 50, 1, 0));
}

TEST_CASE("a crop lies even in the multiplexer's picture and inside what the source fills of it") {
  const Size source{1280, 960};
  // 4:3 in 16:9: 1440 x 1080 with bands of 240 at the left and right.
  const Letterbox mux(source, {1920, 1080}, Letterbox::Bands::centred);
  const auto whole = place_crop({0, 0, 1280, 960}, mux, source, 4096);
  REQUIRE(whole);
  CHECK(whole->pixels.left == 240);
  CHECK(whole->pixels.width == 1440);
  CHECK(whole->rect.left == Approx(0));
  CHECK(whole->rect.width == Approx(1280));
  CHECK(whole->width == 1280);
  CHECK(whole->height == 960);
  const auto odd = place_crop({101, 51, 33, 47}, mux, source, 20);
  REQUIRE(odd);
  for (const double side : {odd->pixels.left, odd->pixels.top, odd->pixels.width, odd->pixels.height})
    CHECK(static_cast<int>(side) % 2 == 0);
  CHECK(odd->rect.left <= 101);
  CHECK(odd->rect.right() >= 134);
  CHECK(std::max(odd->width, odd->height) == 20);
  CHECK_FALSE(place_crop({1280, 0, 2, 2}, mux, source, 512));
}

TEST_CASE("a crop of a picture that the multiplexer shrank has the multiplexer's pixels and no more") {
  const Size source{3840, 2160};
  const Letterbox mux(source, {1920, 1080}, Letterbox::Bands::centred);
  const auto cut = place_crop({200, 200, 400, 400}, mux, source, 512);
  REQUIRE(cut);
  CHECK(cut->pixels.width == 200);
  CHECK(cut->width == 200);
  CHECK(cut->rect.width == Approx(400));
}
