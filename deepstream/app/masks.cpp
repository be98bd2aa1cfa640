#include "masks.h"

#include <algorithm>
#include <cmath>

namespace sightline::app {
namespace {

constexpr unsigned chroma_block = 2;

struct Edge {
  /** Upper end. */
  Point from;
  double end_y;
  double slope;
  /** +1 when the polygon runs down this edge, -1 when up. */
  int winding;

  double x_at(double y) const { return from.x + (y - from.y) * slope; }
};

struct Interval {
  double from;
  double to;
};

using Shape = std::vector<Edge>;

Shape edges_of(const Polygon &corners, const Box &picture) {
  const auto placed = [&picture](const Point &corner) {
    return Point{picture.left + corner.x * picture.width, picture.top + corner.y * picture.height};
  };
  Shape edges;
  for (std::size_t i = 0; i < corners.size(); i += 1) {
    const Point from = placed(corners[i]);
    const Point to = placed(corners[(i + 1) % corners.size()]);
    if (from.y == to.y) continue;
    const Point &upper = from.y < to.y ? from : to;
    const Point &lower = from.y < to.y ? to : from;
    edges.push_back({upper, lower.y, (lower.x - upper.x) / (lower.y - upper.y), from.y < to.y ? 1 : -1});
  }
  return edges;
}

/** What a polygon covers between two heights, projected on x. Non-zero winding: what is inside in any sense is masked. */
void cover(const Shape &edges, double top, double bottom, std::vector<Interval> &covered) {
  std::vector<double> heights{top, bottom};
  for (const Edge &edge : edges)
    for (const double y : {edge.from.y, edge.end_y})
      if (y > top && y < bottom) heights.push_back(y);
  std::sort(heights.begin(), heights.end());
  for (std::size_t i = 0; i + 1 < heights.size(); i += 1) {
    const double from = heights[i];
    const double to = heights[i + 1];
    const double middle = (from + to) / 2;
    std::vector<const Edge *> crossing;
    for (const Edge &edge : edges)
      if (edge.from.y <= from && edge.end_y >= to) crossing.push_back(&edge);
    std::sort(crossing.begin(), crossing.end(),
              [middle](const Edge *a, const Edge *b) { return a->x_at(middle) < b->x_at(middle); });
    int winding = 0;
    Interval group{INFINITY, -INFINITY};
    for (const Edge *edge : crossing) {
      const auto [least, most] = std::minmax({edge->x_at(from), edge->x_at(to)});
      group = {std::min(group.from, least), std::max(group.to, most)};
      winding += edge->winding;
      if (winding != 0) continue;
      covered.push_back(group);
      group = {INFINITY, -INFINITY};
    }
  }
}

/** Outwards to whole blocks, inside the picture. */
unsigned down(double value, double limit) {
  return static_cast<unsigned>(std::floor(std::clamp(value, 0.0, limit) / chroma_block)) * chroma_block;
}
unsigned up(double value, double limit) {
  return static_cast<unsigned>(std::ceil(std::clamp(value, 0.0, limit) / chroma_block)) * chroma_block;
}

/** Of one band of rows, left to right, without overlap. */
std::vector<Strip> band_of(const std::vector<Shape> &shapes, unsigned top, unsigned height, const Size &into) {
  std::vector<Interval> covered;
  for (const Shape &edges : shapes) cover(edges, top, static_cast<double>(top) + height, covered);
  std::sort(covered.begin(), covered.end(), [](const Interval &a, const Interval &b) { return a.from < b.from; });
  std::vector<Strip> strips;
  for (const Interval &interval : covered) {
    const unsigned left = down(interval.from, into.width);
    const unsigned right = up(interval.to, into.width);
    if (right <= left) continue;
    if (!strips.empty() && left <= strips.back().left + strips.back().width)
      strips.back().width = std::max(strips.back().width, right - strips.back().left);
    else
      strips.push_back({left, top, right - left, height});
  }
  return strips;
}

std::vector<Strip> bands_of(const std::vector<Shape> &shapes, unsigned height, const Size &into) {
  std::vector<Strip> strips;
  std::size_t above = 0;
  for (unsigned top = 0; top < into.height; top += height) {
    const auto band = band_of(shapes, top, height, into);
    const bool same = band.size() == strips.size() - above && !band.empty() &&
                      std::equal(band.begin(), band.end(), strips.begin() + static_cast<std::ptrdiff_t>(above),
                                 [](const Strip &a, const Strip &b) {
                                   return a.left == b.left && a.width == b.width && a.top == b.top + b.height;
                                 });
    if (same) {
      for (std::size_t i = above; i < strips.size(); i += 1) strips[i].height += height;
    } else {
      above = strips.size();
      strips.insert(strips.end(), band.begin(), band.end());
    }
  }
  return strips;
}

} // namespace

std::vector<Strip> strips_of(const std::vector<Polygon> &polygons, const std::optional<Box> &picture, const Size &into) {
  if (polygons.empty()) return {};
  if (!picture) return {{0, 0, up(into.width, into.width), up(into.height, into.height)}};
  std::vector<Shape> shapes;
  shapes.reserve(polygons.size());
  for (const Polygon &corners : polygons) shapes.push_back(edges_of(corners, *picture));
  unsigned height = chroma_block;
  auto strips = bands_of(shapes, height, into);
  while (strips.size() > most_strips && height < into.height) {
    height *= 2;
    strips = bands_of(shapes, height, into);
  }
  return strips;
}

} // namespace sightline::app
