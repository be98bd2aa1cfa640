#pragma once

#include <gst/gst.h>

#include <nvdsmeta.h>

#include <gstnvdsinfer.h>
#include <optional>
#include <vector>

#include "geometry.h"
#include "settings.h"

namespace sightline::app {

/** A face as the network gave it, in source pixels. */
struct FoundFace {
  Box box;
  FivePoints points;
};

/**
 * Points of faces: the parser's object has no field for them, so they are decoded anew from the output tensors and belong to
 * the object whose box is theirs. For one detector of the kind `centerface`.
 */
class Landmarks {
public:
  explicit Landmarks(const DetectorSettings &detector);

  int unique_id() const { return unique_id_; }
  /** The faces of a frame whose tensors are in `frame`; `mux` maps from source pixels into the multiplexer's picture of
   * `picture`. */
  std::vector<FoundFace> find(const NvDsFrameMeta *frame, const Letterbox &mux, const Size &picture) const;
  /** Absent where no face's box is this one. */
  static std::optional<FivePoints> points_of(const Box &box, const std::vector<FoundFace> &faces);

private:
  int unique_id_;
  Letterbox::Bands bands_;
};

} // namespace sightline::app
