#pragma once

#include <cstdint>
#include <optional>
#include <string>

/** Small pipelines that try the card's elements out. Each waits for its end, however long that takes. */
namespace sightline::app {

constexpr unsigned check_frames = 10;

struct Passed {
  unsigned count = 0;
  /** What GStreamer said of an error. */
  std::optional<std::string> problem;
};

/** How many pictures a decoder makes of one that comes a few times. */
Passed decoded_frames(const std::string &caps, const std::string &parser, const std::string &decoder,
                      const std::uint8_t *picture, std::size_t size);
/** How many units an encoder makes of `check_frames` pictures, set as for annotated video. */
Passed encoded_frames(bool hardware, const std::string &encoder);

struct CutCrop {
  std::string jpeg;
  std::optional<std::string> problem;
};

/** One crop of a batch of one picture. */
CutCrop cut_crop();

} // namespace sightline::app
