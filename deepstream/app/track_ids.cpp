#include "track_ids.h"

namespace sightline::app {
namespace {

constexpr double ended_after_ms = 3000;
constexpr double sweep_every_ms = 250;

} // namespace

Track &TrackIds::seen(std::uint64_t object_id, std::string_view label, std::string_view model, float score, double media_ms) {
  const auto [found, is_new] = tracks_.try_emplace(object_id, Track{next_, label, model, score, media_ms});
  if (is_new) next_ += 1;
  Track &track = found->second;
  track.label = label;
  track.model = model;
  track.score = score;
  track.seen_ms = media_ms;
  return track;
}

Track *TrackIds::known(std::uint64_t object_id, double media_ms) {
  const auto found = tracks_.find(object_id);
  if (found == tracks_.end()) return nullptr;
  found->second.seen_ms = media_ms;
  return &found->second;
}

void TrackIds::set_person(std::uint32_t track_id, std::uint32_t person) {
  for (auto &[id, track] : tracks_)
    if (track.id == track_id) track.person = person;
}

std::vector<std::uint32_t> TrackIds::take_ended(double media_ms) {
  std::vector<std::uint32_t> ended;
  if (media_ms - swept_ms_ < sweep_every_ms) return ended;
  swept_ms_ = media_ms;
  for (auto track = tracks_.begin(); track != tracks_.end();) {
    if (media_ms - track->second.seen_ms > ended_after_ms) {
      ended.push_back(track->second.id);
      track = tracks_.erase(track);
    } else {
      ++track;
    }
  }
  return ended;
}

void TrackIds::clear() {
  tracks_.clear();
  next_ = 1;
  swept_ms_ = 0;
}

} // namespace sightline::app
