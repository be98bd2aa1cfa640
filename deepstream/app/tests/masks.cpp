#include "masks.h"

#include <catch2/catch.hpp>
#include <random>

using namespace sightline::app;

namespace {

const Size mux{640, 360};
const Box whole{0, 0, 640, 360};

bool covered(const std::vector<Strip> &strips, double x, double y) {
  for (const auto &strip : strips)
    if (x >= strip.left && x < strip.left + strip.width && y >= strip.top && y < strip.top + strip.height) return true;
  return false;
}

} // namespace

TEST_CASE("a mask along the axes is one strip, on even pixels outwards") {
  const auto strips = strips_of({{{0.1, 0.1}, {0.2005, 0.1}, {0.2005, 0.5}, {0.1, 0.5}}}, whole, mux);
  REQUIRE(strips.size() == 1);
  CHECK(strips[0].left == 64);
  CHECK(strips[0].top == 36);
  CHECK(strips[0].width == 66);
  CHECK(strips[0].height == 144);
}

TEST_CASE("a mask lies where the camera's picture lies") {
  // 4:3 in the middle of 16:9.
  const Box picture{80, 0, 480, 360};
  const auto strips = strips_of({{{0, 0}, {0.5, 0}, {0.5, 1}, {0, 1}}}, picture, mux);
  REQUIRE(strips.size() == 1);
  CHECK(strips[0].left == 80);
  CHECK(strips[0].width == 240);
  CHECK(strips[0].height == 360);
}

TEST_CASE("masks that overlap, and one that crosses itself, leave nothing between them") {
  const auto strips =
      strips_of({{{0, 0}, {0.5, 0}, {0.5, 1}, {0, 1}}, {{0.25, 0}, {0.75, 0}, {0.75, 1}, {0.25, 1}}}, whole, mux);
  REQUIRE(strips.size() == 1);
  CHECK(strips[0].width == 480);
  // A star of five points: its middle is inside twice.
  const auto star = strips_of({{{0.5, 0}, {0.8, 1}, {0, 0.4}, {1, 0.4}, {0.2, 1}}}, whole, mux);
  CHECK(covered(star, 320, 200));
}

TEST_CASE("whatever is drawn, all of it is masked, with a bounded number of strips inside the picture") {
  std::mt19937 random(1);
  std::uniform_real_distribution<double> fraction(0, 1);
  for (int round = 0; round < 200; round += 1) {
    const Point a{fraction(random), fraction(random)};
    const Point b{fraction(random), fraction(random)};
    const Point c{fraction(random), fraction(random)};
    const Point d{fraction(random), fraction(random)};
    const auto strips = strips_of({{a, b, c}, {a, c, d}}, whole, mux);
    CHECK(strips.size() <= most_strips);
    for (const auto &strip : strips) CHECK((strip.left % 2 + strip.top % 2 + strip.width % 2 + strip.height % 2) == 0);
    for (int point = 0; point < 50; point += 1) {
      double u = fraction(random);
      double v = fraction(random);
      if (u + v > 1) u = 1 - u, v = 1 - v;
      const double x = a.x + u * (b.x - a.x) + v * (c.x - a.x);
      const double y = a.y + u * (b.y - a.y) + v * (c.y - a.y);
      CHECK(covered(strips, std::min(x * 640, 639.999), std::min(y * 360, 359.999)));
    }
  }
}

TEST_CASE("a picture that lies nobody knows where is black, where it has masks") {
  const auto strips = strips_of({{{0.1, 0.1}, {0.2, 0.1}, {0.2, 0.5}}}, std::nullopt, mux);
  REQUIRE(strips.size() == 1);
  CHECK((strips[0].left == 0 && strips[0].top == 0 && strips[0].width == 640 && strips[0].height == 360));
  CHECK(strips_of({}, std::nullopt, mux).empty());
}

TEST_CASE("no masks, and polygons without area, mask nothing, as with a software worker") {
  CHECK(strips_of({}, whole, mux).empty());
  CHECK(strips_of({{{0.5, 0.5}, {0.5, 0.5}, {0.5, 0.5}}}, whole, mux).empty());
  CHECK(strips_of({{{0, 0.5}, {0.5, 0.5}, {1, 0.5}}}, whole, mux).empty());
}
