#include "join.h"

#include <algorithm>
#include <cmath>

namespace sightline::app {
namespace {

/** Share of a face that must lie in a person's box. */
constexpr double least_inside = 0.6;
/** A head is at most this share of the person's box; portraits, where the box ends below the chin, come near to it. */
constexpr double largest_head = 0.95;
/** Where faces sit in person boxes: the middle, about an eighth from the top. */
constexpr double usual_drop = 0.12;
/** The person a face had before is left only for one that fits better by this much. */
constexpr double loyalty = 0.15;

/** 0 for a face exactly where a head belongs, growing with the distance in box sizes; absent when it is not this person's. */
std::optional<double> misfit(const Box &face, const Box &person) {
  const double inside = overlap_area(face, person) / std::max(1e-6, face.area());
  if (inside < least_inside || face.height > largest_head * person.height) return std::nullopt;
  const double across = (face.left + face.width / 2 - (person.left + person.width / 2)) / std::max(1.0, person.width);
  const double down = (face.top + face.height / 2 - person.top) / std::max(1.0, person.height);
  return std::abs(across) + std::max(0.0, down - usual_drop) + (1 - inside);
}

} // namespace

std::optional<std::uint32_t> join_face(const Box &face, const std::vector<Person> &persons, std::uint32_t before) {
  std::optional<std::uint32_t> best;
  double least = 0;
  for (const auto &person : persons) {
    const auto found = misfit(face, person.box);
    if (!found) continue;
    const double weighed = person.track_id == before ? *found - loyalty : *found;
    if (best && weighed >= least) continue;
    best = person.track_id;
    least = weighed;
  }
  return best;
}

} // namespace sightline::app
