// Tracks of one stream, by the overlap of boxes: what the closed library behind nvtracker decides, as far as is known of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "tracking/settings.h"

namespace standin {

struct TrackBox {
  float left;
  float top;
  float width;
  float height;
};

struct TrackInput {
  int class_id;
  float confidence;
  TrackBox box;
};

struct TrackOutput {
  uint64_t id;
  int class_id;
  TrackBox box;
  /** Which input it is; none: the tracker's own guess. */
  std::optional<size_t> input;
};

class StreamTracker {
public:
  /** Ids of the stream go on from `first_id`. */
  StreamTracker(const TrackerSettings &settings, uint64_t first_id) : settings_(settings), next_id_(first_id) {}

  /**
   * A frame that a detector looked at moves, begins and ends tracks: a track is told after its probation, and one that is not
   * found goes on unseen for a while. On a frame that nobody looked at (`detected` false) every told track is guessed, and none
   * of them ages.
   */
  std::vector<TrackOutput> update(const std::vector<TrackInput> &inputs, bool detected);

  uint64_t next_id() const { return next_id_; }

private:
  struct Track {
    uint64_t id;
    int class_id;
    TrackBox box;
    float speed_x;
    float speed_y;
    unsigned age;
    unsigned unseen;
    bool told;
  };

  std::vector<TrackOutput> guessed();
  void move_on(Track &track) const;
  void begin(const std::vector<TrackInput> &inputs, const std::vector<bool> &taken, std::vector<TrackOutput> &outputs);

  TrackerSettings settings_;
  uint64_t next_id_;
  std::vector<Track> tracks_;
};

} // namespace standin
