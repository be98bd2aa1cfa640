#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

namespace sightline::app {

struct Size {
  double width = 0;
  double height = 0;
};

struct Point {
  double x = 0;
  double y = 0;
};

/** Left eye, right eye, nose, left corner of the mouth, right corner. */
using FivePoints = std::array<Point, 5>;

struct Box {
  double left = 0;
  double top = 0;
  double width = 0;
  double height = 0;

  double right() const { return left + width; }
  double bottom() const { return top + height; }
  double area() const { return width * height; }
};

inline bool is_finite(const Box &box) {
  return std::isfinite(box.left) && std::isfinite(box.top) && std::isfinite(box.width) && std::isfinite(box.height);
}

inline double overlap_area(const Box &a, const Box &b) {
  const double width = std::min(a.right(), b.right()) - std::max(a.left, b.left);
  const double height = std::min(a.bottom(), b.bottom()) - std::max(a.top, b.top);
  return width > 0 && height > 0 ? width * height : 0;
}

/** Intersection over union. */
inline double iou(const Box &a, const Box &b) {
  const double both = overlap_area(a, b);
  return both == 0 ? 0 : both / (a.area() + b.area() - both);
}

/** The part inside the picture; absent where less than a pixel is left of it, or a number is none. */
inline std::optional<Box> clipped(const Box &box, const Size &picture) {
  if (!is_finite(box)) return std::nullopt;
  const double left = std::clamp(box.left, 0.0, picture.width);
  const double top = std::clamp(box.top, 0.0, picture.height);
  const Box inside{left, top, std::clamp(box.right(), 0.0, picture.width) - left,
                   std::clamp(box.bottom(), 0.0, picture.height) - top};
  if (inside.width < 1 || inside.height < 1) return std::nullopt;
  return inside;
}

/** How a source's pixels lie in a picture of another size: the multiplexer's, or a network's input. */
class Letterbox {
public:
  enum class Bands { none, centred, right_and_bottom };

  Letterbox(Size source, Size into, Bands bands) {
    if (bands == Bands::none) {
      x_ = into.width / source.width;
      y_ = into.height / source.height;
      return;
    }
    x_ = y_ = std::min(into.width / source.width, into.height / source.height);
    if (bands == Bands::right_and_bottom) return;
    left_ = (into.width - source.width * x_) / 2;
    top_ = (into.height - source.height * y_) / 2;
  }

  Box into(const Box &box) const { return {box.left * x_ + left_, box.top * y_ + top_, box.width * x_, box.height * y_}; }
  Box back(const Box &box) const { return {(box.left - left_) / x_, (box.top - top_) / y_, box.width / x_, box.height / y_}; }
  Point back(const Point &point) const { return {(point.x - left_) / x_, (point.y - top_) / y_}; }

private:
  double x_ = 1;
  double y_ = 1;
  double left_ = 0;
  double top_ = 0;
};

} // namespace sightline::app
