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
constexpr double variant_scale = 172.0 / 112;
constexpr double warp_left = -26 / variant_scale;
constexpr double warp_top = -17 / variant_scale;
constexpr double warp_right = (224 - 26) / variant_scale;
constexpr double warp_bottom = (224 - 17) / variant_scale;
/** Bilinear sampling reads one pixel beyond. */
constexpr double sampling_pixels = 2;
/** Embedders without alignment take a square of 1.3 times the longer side; bodies are cut with a little around them. */
constexpr double square_side = 1.3;
constexpr double body_margin = 0.1;

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
void take_warp(const FivePoints &points, Edges &edges) {
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
  for (const double x : {warp_left, warp_right})
    for (const double y : {warp_top, warp_bottom})
      edges.take(a * (x - from.x) - b * (y - from.y) + to.x, b * (x - from.x) + a * (y - from.y) + to.y);
}

void take_grown(const Box &box, double width, double height, Edges &edges) {
  const double x = box.left + box.width / 2;
  const double y = box.top + box.height / 2;
  edges.take(x - width / 2, y - height / 2);
  edges.take(x + width / 2, y + height / 2);
}

double even_down(double value) {
  return 2 * std::floor(value / 2);
}
double even_up(double value) {
  return 2 * std::ceil(value / 2);
}

} // namespace

bool CropPolicy::wants(std::uint32_t track_id, std::string_view label, double height, double quality, double media_ms) const {
  const bool counts = label == "face"     ? options_.faces && height >= options_.min_face_height
                      : label == "person" ? options_.bodies && height >= options_.min_body_height
                                          : false;
  if (!counts) return false;
  const auto before = tracks_.find(track_id);
  if (before == tracks_.end() || !before->second.decided) return true;
  return quality >= before->second.best + options_.better_by || media_ms - before->second.at_ms >= options_.refresh_ms;
}

void CropPolicy::cropped(std::uint32_t track_id, double quality, double media_ms) {
  const auto [track, is_new] = tracks_.try_emplace(track_id, Cropped{quality, media_ms, false});
  if (is_new) return;
  track->second.best = std::max(track->second.best, quality);
  track->second.at_ms = media_ms;
}

void CropPolicy::decided(std::uint32_t track_id, bool decided) {
  // A track is decided by its crops; a word on one that gave none, or has ended, would never be forgotten.
  const auto track = tracks_.find(track_id);
  if (track != tracks_.end()) track->second.decided = decided;
}

void CropPolicy::ended(const std::vector<std::uint32_t> &track_ids) {
  for (const auto track_id : track_ids) tracks_.erase(track_id);
}

Box crop_rect(const Box &box, const std::optional<FivePoints> &landmarks, const Size &frame) {
  Edges edges;
  if (landmarks) {
    const double side = square_side * std::max(box.width, box.height);
    take_grown(box, side, side, edges);
    take_warp(*landmarks, edges);
  } else {
    take_grown(box, box.width * (1 + 2 * body_margin), box.height * (1 + 2 * body_margin), edges);
  }
  const double last_x = even_down(frame.width);
  const double last_y = even_down(frame.height);
  const double left = std::clamp(even_down(edges.left - sampling_pixels), 0.0, last_x - 2);
  const double top = std::clamp(even_down(edges.top - sampling_pixels), 0.0, last_y - 2);
  return {left, top, std::clamp(even_up(edges.right + sampling_pixels), left + 2, last_x) - left,
          std::clamp(even_up(edges.bottom + sampling_pixels), top + 2, last_y) - top};
}

std::optional<CropCut> place_crop(const Box &rect, const Letterbox &mux, const Size &source, double max_side) {
  const Box filled = mux.into({0, 0, source.width, source.height});
  const Box wanted = mux.into(rect);
  const double left = std::max(even_down(wanted.left), even_up(filled.left));
  const double top = std::max(even_down(wanted.top), even_up(filled.top));
  const double right = std::min(even_up(wanted.right()), even_down(filled.right()));
  const double bottom = std::min(even_up(wanted.bottom()), even_down(filled.bottom()));
  if (!(right - left >= 2 && bottom - top >= 2)) return std::nullopt;
  CropCut cut{{left, top, right - left, bottom - top}, {}, 0, 0};
  cut.rect = mux.back(cut.pixels);
  // Neither larger than the source's own pixels nor than those of the multiplexer: neither would show more.
  const double longer = std::max(cut.rect.width, cut.rect.height);
  const double shrink = std::min({1.0, max_side / longer, cut.pixels.width / cut.rect.width});
  cut.width = static_cast<int>(std::max(2.0, 2 * std::round(cut.rect.width * shrink / 2)));
  cut.height = static_cast<int>(std::max(2.0, 2 * std::round(cut.rect.height * shrink / 2)));
  return cut;
}

} // namespace sightline::app
