#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "geometry.h"

namespace sightline::app {

struct Person {
  std::uint32_t track_id;
  Box box;
};

/**
 * The person whose box holds this face best, or none: the rule of src/software-worker/join.ts. Two faces may belong to one
 * person box: detectors merge people who stand close, and the faces stay two. `before` is the person the face had last, 0 for
 * none.
 */
std::optional<std::uint32_t> join_face(const Box &face, const std::vector<Person> &persons, std::uint32_t before);

} // namespace sightline::app
