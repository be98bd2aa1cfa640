#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "geometry.h"
#include "quality.h"

/** What the probe copies out of a batch: nothing in it belongs to DeepStream. Texts are the settings', which outlive it. */
namespace sightline::app {

struct SeenCrop {
  std::string jpeg;
  /** What was cut, source pixels. */
  Box rect;
  /** Of the JPEG. */
  int width;
  int height;
  /** In its pixels. */
  Box box;
  std::optional<FivePoints> landmarks;
  double visible;
  /** Measured by whoever sends it. */
  std::optional<Quality> quality;
};

struct SeenObject {
  std::uint32_t track_id;
  std::string_view label;
  std::string_view model;
  float score;
  /** Source pixels. */
  Box box;
  std::optional<FivePoints> landmarks;
  /** 0: none. */
  std::uint32_t person_track_id;
  std::optional<SeenCrop> crop;
};

struct FrameRecord {
  std::size_t camera;
  /** Opens of the source since the program began, from 1: the epoch as it is counted here. */
  std::uint32_t generation;
  std::uint64_t sequence;
  /** Nanoseconds. */
  std::int64_t pts;
  double media_ms;
  std::int64_t received_mono_us;
  std::int64_t camera_time_us;
  bool rtcp;
  std::uint32_t width;
  std::uint32_t height;
  bool predicted;
  std::vector<SeenObject> objects;
  std::int64_t decoded_mono_us;
  /** 0: no detector looked. */
  std::int64_t detected_mono_us;
  std::vector<std::uint32_t> ended_tracks;
  bool live;

  /** What it takes in a queue, about. */
  std::size_t bytes() const {
    std::size_t sum = sizeof *this;
    for (const auto &object : objects) sum += sizeof object + (object.crop ? object.crop->jpeg.size() : 0);
    return sum;
  }
};

} // namespace sightline::app
