#include "crops.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace sightline::app {
namespace {

/** Where the five points lie in the 112 x 112 picture that face embedders of the ArcFace family are trained on (insightface).
 */
constexpr std::array<Point, 5> pattern{
    {{38.2946, 51.6963}, {73.5318, 51.5014}, {56.0252, 71.7366}, {41.5493, 92.3655}, {70.7299, 92.2041}}};

/**
 * The 224 x 224 variant of the template is the same scaled by 172/112 and moved by (26, 17). These are its corners in the
 * coordinates of the 112 template; the 112 square lies inside.
 */
constexpr double variantScale = 172.0 / 112;
constexpr double warpLeft = -26 / variantScale;
constexpr double warpTop = -17 / variantScale;
constexpr double warpRight = (224 - 26) / variantScale;
constexpr double warpBottom = (224 - 17) / variantScale;
/** Bilinear sampling reads one pixel beyond. */
constexpr double samplingPixels = 2;
/** Embedders without alignment take a square of 1.3 times the longer side; bodies are cut with a little around them. */
constexpr double squareSide = 1.3;
constexpr double bodyMargin = 0.1;

struct Edges {
  double left = std::numeric_limits<double>::infinity();
  double top = std::numeric_limits<double>::infinity();
  double right = -std::numeric_limits<double>::infinity();
  double bottom = -std::numeric_limits<double>::infinity();

  void take(double x, double y) {
    left = std::min(left, x);
    top = std::min(top, y);
    right = std::max(right, x);
    bottom = std::max(bottom, y);
  }
};

/** Takes the warp's square in the picture: least-squares similarity from the template to the points (Umeyama, closed form in
 * 2D). */
void takeWarp(const FivePoints &points, Edges &edges) {
  const double count = pattern.size();
  Point from;
  Point to;
  for (std::size_t i = 0; i < pattern.size(); i += 1) {
    from.x += pattern[i].x / count;
    from.y += pattern[i].y / count;
    to.x += points[i].x / count;
    to.y += points[i].y / count;
  }
  double dot = 0;
  double cross = 0;
  double spread = 0;
  for (std::size_t i = 0; i < pattern.size(); i += 1) {
    const double u = pattern[i].x - from.x;
    const double v = pattern[i].y - from.y;
    const double p = points[i].x - to.x;
    const double q = points[i].y - to.y;
    dot += u * p + v * q;
    cross += u * q - v * p;
    spread += u * u + v * v;
  }
  const double a = dot / spread;
  const double b = cross / spread;
  for (const double x : {warpLeft, warpRight})
    for (const double y : {warpTop, warpBottom})
      edges.take(a * (x - from.x) - b * (y - from.y) + to.x, b * (x - from.x) + a * (y - from.y) + to.y);
}

void takeGrown(const Box &box, double width, double height, Edges &edges) {
  const double x = box.left + box.width / 2;
  const double y = box.top + box.height / 2;
  edges.take(x - width / 2, y - height / 2);
  edges.take(x + width / 2, y + height / 2);
}

double evenDown(double value) {
  return 2 * std::floor(value / 2);
}
double evenUp(double value) {
  return 2 * std::ceil(value / 2);
}

} // namespace

bool CropPolicy::wants(std::uint32_t trackId, std::string_view label, double height, double quality, double mediaMs) const {
  const bool counts = label == "face"     ? options_.faces && height >= options_.minFaceHeight
                      : label == "person" ? options_.bodies && height >= options_.minBodyHeight
                                          : false;
  if (!counts) return false;
  const auto before = tracks_.find(trackId);
  if (before == tracks_.end() || !before->second.decided) return true;
  return quality >= before->second.best + options_.betterBy || mediaMs - before->second.atMs >= options_.refreshMs;
}

void CropPolicy::cropped(std::uint32_t trackId, double quality, double mediaMs) {
  const auto [track, isNew] = tracks_.try_emplace(trackId, Cropped{quality, mediaMs, false});
  if (isNew) return;
  track->second.best = std::max(track->second.best, quality);
  track->second.atMs = mediaMs;
}

void CropPolicy::decided(std::uint32_t trackId, bool decided) {
  // A track is decided by its crops; a word on one that gave none, or has ended, would never be forgotten.
  const auto track = tracks_.find(trackId);
  if (track != tracks_.end()) track->second.decided = decided;
}

void CropPolicy::ended(const std::vector<std::uint32_t> &trackIds) {
  for (const auto trackId : trackIds) tracks_.erase(trackId);
}

Box cropRect(const Box &box, const std::optional<FivePoints> &landmarks, const Size &frame) {
  Edges edges;
  if (landmarks) {
    const double side = squareSide * std::max(box.width, box.height);
    takeGrown(box, side, side, edges);
    takeWarp(*landmarks, edges);
  } else {
    takeGrown(box, box.width * (1 + 2 * bodyMargin), box.height * (1 + 2 * bodyMargin), edges);
  }
  const double lastX = evenDown(frame.width);
  const double lastY = evenDown(frame.height);
  const double left = std::clamp(evenDown(edges.left - samplingPixels), 0.0, lastX - 2);
  const double top = std::clamp(evenDown(edges.top - samplingPixels), 0.0, lastY - 2);
  return {left, top, std::clamp(evenUp(edges.right + samplingPixels), left + 2, lastX) - left,
          std::clamp(evenUp(edges.bottom + samplingPixels), top + 2, lastY) - top};
}

std::optional<CropCut> placeCrop(const Box &rect, const Letterbox &mux, const Size &source, double maxSide) {
  const Box filled = mux.into({0, 0, source.width, source.height});
  const Box wanted = mux.into(rect);
  const double left = std::max(evenDown(wanted.left), evenUp(filled.left));
  const double top = std::max(evenDown(wanted.top), evenUp(filled.top));
  const double right = std::min(evenUp(wanted.right()), evenDown(filled.right()));
  const double bottom = std::min(evenUp(wanted.bottom()), evenDown(filled.bottom()));
  if (!(right - left >= 2 && bottom - top >= 2)) return std::nullopt;
  CropCut cut{{left, top, right - left, bottom - top}, {}, 0, 0};
  cut.rect = mux.back(cut.pixels);
  // Neither larger than the source's own pixels nor than those of the multiplexer: neither would show more.
  const double longer = std::max(cut.rect.width, cut.rect.height);
  const double shrink = std::min({1.0, maxSide / longer, cut.pixels.width / cut.rect.width});
  cut.width = static_cast<int>(std::max(2.0, 2 * std::round(cut.rect.width * shrink / 2)));
  cut.height = static_cast<int>(std::max(2.0, 2 * std::round(cut.rect.height * shrink / 2)));
  return cut;
}

} // namespace sightline::app
