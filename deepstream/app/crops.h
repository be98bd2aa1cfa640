#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "geometry.h"

/** Which detections are cut out, and how wide: the rules of src/software-worker/crops.ts. Pure. */
namespace sightline::app {

struct CropOptions {
  bool faces = false;
  bool bodies = false;
  /** Box heights in source pixels below which nothing is cut. */
  double min_face_height = 0;
  double min_body_height = 0;
  /** A decided track is looked at again at least this often. */
  double refresh_ms = 2000;
  /** Or when its quality has grown by this much over the best crop so far. */
  double better_by = 0.15;
};

class CropPolicy {
public:
  explicit CropPolicy(const CropOptions &options) : options_(options) {}

  /** Whether this detection, of this overall quality, deserves a crop. */
  bool wants(std::uint32_t track_id, std::string_view label, double height, double quality, double media_ms) const;
  /** A crop of the track was cut. */
  void cropped(std::uint32_t track_id, double quality, double media_ms);
  /** What the daemon says of the track: until it is decided every detected frame may give a crop. */
  void decided(std::uint32_t track_id, bool decided);
  void ended(const std::vector<std::uint32_t> &track_ids);
  void clear() { tracks_.clear(); }

private:
  struct Cropped {
    double best;
    double at_ms;
    bool decided;
  };

  CropOptions options_;
  std::unordered_map<std::uint32_t, Cropped> tracks_;
};

/**
 * What to cut for a detection, in source pixels: integers, even (chroma of 4:2:0 is shared by two), inside the frame. With
 * landmarks it holds the embedder's whole warp square, turned as the head is, and the box's square for embedders that do not
 * align.
 */
Box crop_rect(const Box &box, const std::optional<FivePoints> &landmarks, const Size &frame);

/** A crop as the encoder is asked for it. */
struct CropCut {
  /** Even pixels of the multiplexer's picture. */
  Box pixels;
  /** The same in source pixels. */
  Box rect;
  /** Of the JPEG: even, as large as the source's own pixels and no larger than asked for. */
  int width;
  int height;
};

/** The rectangle in the multiplexer's picture, inside what the source fills of it; absent where nothing is left. */
std::optional<CropCut> place_crop(const Box &rect, const Letterbox &mux, const Size &source, double max_side);

} // namespace sightline::app
