#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace sightline::app {

/** What is known of a track besides its box. */
struct Track {
  std::uint32_t id;
  std::string_view label;
  std::string_view model;
  /** Of the latest detection. */
  float score;
  double seen_ms;
  /** Whose face it was seen as last; 0: nobody's. */
  std::uint32_t person = 0;
};

/**
 * The 64-bit ids of nvtracker as small numbers that begin anew with every epoch, for one source. A track that nvtracker has not
 * shown for three seconds of media time has ended; one that comes back later is another. Pure.
 */
class TrackIds {
public:
  /** The track of a detection; a new one where there is none. */
  Track &seen(std::uint64_t object_id, std::string_view label, std::string_view model, float score, double media_ms);
  /** Of a prediction; null where no detection of it has been seen. */
  Track *known(std::uint64_t object_id, double media_ms);
  /** Whose face the track of this number is. */
  void set_person(std::uint32_t track_id, std::uint32_t person);
  std::vector<std::uint32_t> take_ended(double media_ms);
  /** A new epoch. */
  void clear();

private:
  std::unordered_map<std::uint64_t, Track> tracks_;
  std::uint32_t next_ = 1;
  double swept_ms_ = 0;
};

} // namespace sightline::app
