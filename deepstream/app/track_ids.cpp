#include "track_ids.h"

namespace sightline::app {
namespace {

constexpr double endedAfterMs = 3000;
constexpr double sweepEveryMs = 250;

} // namespace

Track &TrackIds::seen(std::uint64_t objectId, std::string_view label, std::string_view model, float score, double mediaMs) {
  const auto [found, isNew] = tracks_.try_emplace(objectId, Track{next_, label, model, score, mediaMs});
  if (isNew) next_ += 1;
  Track &track = found->second;
  track.label = label;
  track.model = model;
  track.score = score;
  track.seenMs = mediaMs;
  return track;
}

Track *TrackIds::known(std::uint64_t objectId, double mediaMs) {
  const auto found = tracks_.find(objectId);
  if (found == tracks_.end()) return nullptr;
  found->second.seenMs = mediaMs;
  return &found->second;
}

void TrackIds::setPerson(std::uint32_t trackId, std::uint32_t person) {
  for (auto &[id, track] : tracks_)
    if (track.id == trackId) track.person = person;
}

std::vector<std::uint32_t> TrackIds::takeEnded(double mediaMs) {
  std::vector<std::uint32_t> ended;
  if (mediaMs - sweptMs_ < sweepEveryMs) return ended;
  sweptMs_ = mediaMs;
  for (auto track = tracks_.begin(); track != tracks_.end();) {
    if (mediaMs - track->second.seenMs > endedAfterMs) {
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
  sweptMs_ = 0;
}

} // namespace sightline::app
