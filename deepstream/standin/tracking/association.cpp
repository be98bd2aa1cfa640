#include "tracking/association.h"

#include <algorithm>
#include <tuple>

namespace standin {

namespace {

float iou(const TrackBox &a, const TrackBox &b) {
  const float width = std::min(a.left + a.width, b.left + b.width) - std::max(a.left, b.left);
  const float height = std::min(a.top + a.height, b.top + b.height) - std::max(a.top, b.top);
  if (!(width > 0 && height > 0)) return 0;
  const float shared = width * height;
  return shared / (a.width * a.height + b.width * b.height - shared);
}

/** How much of the newest step counts in a track's speed. */
constexpr float kNewStep = 0.5F;

} // namespace

void StreamTracker::move_on(Track &track) const {
  if (!settings_.estimates) return;
  track.box.left += track.speed_x;
  track.box.top += track.speed_y;
}

std::vector<TrackOutput> StreamTracker::guessed() {
  std::vector<TrackOutput> outputs;
  for (Track &track : tracks_) {
    move_on(track);
    if (track.told && track.unseen == 0) outputs.push_back({track.id, track.class_id, track.box, std::nullopt});
  }
  return outputs;
}

std::vector<TrackOutput> StreamTracker::update(const std::vector<TrackInput> &inputs, bool detected) {
  if (!detected) return guessed();
  for (Track &track : tracks_) move_on(track);
  std::vector<std::tuple<float, size_t, size_t>> pairs;
  for (size_t t = 0; t < tracks_.size(); ++t)
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (settings_.check_class && tracks_[t].class_id != inputs[i].class_id) continue;
      if (!(inputs[i].confidence >= settings_.min_detector_confidence)) continue;
      const float overlap = iou(tracks_[t].box, inputs[i].box);
      if (overlap > 0 && overlap >= settings_.min_matching_iou) pairs.emplace_back(overlap, t, i);
    }
  std::stable_sort(pairs.begin(), pairs.end(), [](const auto &a, const auto &b) { return std::get<0>(a) > std::get<0>(b); });

  std::vector<bool> taken(inputs.size(), false);
  std::vector<bool> found(tracks_.size(), false);
  std::vector<TrackOutput> outputs;
  for (const auto &[overlap, t, i] : pairs) {
    if (found[t] || taken[i]) continue;
    found[t] = true;
    taken[i] = true;
    Track &track = tracks_[t];
    const TrackBox &box = inputs[i].box;
    // move_on has added the speed already: what is left over is the error of the guess.
    track.speed_x += kNewStep * (box.left - track.box.left);
    track.speed_y += kNewStep * (box.top - track.box.top);
    track.box = box;
    track.class_id = inputs[i].class_id;
    track.unseen = 0;
    ++track.age;
    track.told = track.told || track.age >= settings_.probation_age;
    if (track.told) outputs.push_back({track.id, track.class_id, track.box, i});
  }
  for (size_t t = 0; t < tracks_.size(); ++t)
    if (!found[t]) ++tracks_[t].unseen;
  tracks_.erase(std::remove_if(tracks_.begin(), tracks_.end(),
                               [this](const Track &track) {
                                 return track.unseen >
                                        (track.told ? settings_.max_shadow_age : settings_.early_termination_age);
                               }),
                tracks_.end());
  begin(inputs, taken, outputs);
  return outputs;
}

void StreamTracker::begin(const std::vector<TrackInput> &inputs, const std::vector<bool> &taken,
                          std::vector<TrackOutput> &outputs) {
  const size_t known = tracks_.size();
  for (size_t i = 0; i < inputs.size() && tracks_.size() < settings_.max_targets; ++i) {
    const TrackInput &input = inputs[i];
    if (taken[i] || !(input.confidence >= settings_.min_detector_confidence)) continue;
    const bool doubled =
        std::any_of(tracks_.begin(), tracks_.begin() + static_cast<std::ptrdiff_t>(known), [&](const Track &track) {
          return (!settings_.check_class || track.class_id == input.class_id) &&
                 iou(track.box, input.box) > settings_.min_iou_of_new;
        });
    if (doubled) continue;
    const bool told = settings_.probation_age == 0;
    tracks_.push_back({next_id_, input.class_id, input.box, 0, 0, 0, 0, told});
    if (told) outputs.push_back({next_id_, input.class_id, input.box, i});
    ++next_id_;
  }
}

} // namespace standin
