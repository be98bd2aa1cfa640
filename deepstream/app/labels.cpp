#include "labels.h"

#include <array>
#include <cstdio>

namespace sightline::app {

void LabelStore::put(std::size_t camera, std::uint32_t generation, const std::vector<Label> &labels) {
  const std::lock_guard lock(mutex_);
  Known &known = cameras_[camera];
  if (generation < known.generation) return;
  if (generation > known.generation || known.labels.size() > most) known.labels.clear();
  known.generation = generation;
  for (const auto &label : labels) known.labels[label.track_id] = label;
}

std::optional<Label> LabelStore::find(std::size_t camera, std::uint32_t generation, std::uint32_t track_id) const {
  const std::lock_guard lock(mutex_);
  const Known &known = cameras_[camera];
  if (known.generation != generation) return std::nullopt;
  const auto found = known.labels.find(track_id);
  if (found == known.labels.end()) return std::nullopt;
  return found->second;
}

Colour colour_of(const std::string &text) {
  unsigned red = 255;
  unsigned green = 255;
  unsigned blue = 255;
  if (text.size() != 7 || text.find_first_not_of("0123456789abcdefABCDEF", 1) != std::string::npos ||
      std::sscanf(text.c_str(), "#%2x%2x%2x", &red, &green, &blue) != 3)
    return {1, 1, 1};
  return {red / 255.0, green / 255.0, blue / 255.0};
}

std::string words_of(const std::optional<Label> &label, const std::string &object) {
  if (!label || label->text.empty()) return object;
  std::array<char, 32> score{};
  std::snprintf(score.data(), score.size(), "%.2f", static_cast<double>(label->score));
  return label->text + "  similarity " + score.data();
}

} // namespace sightline::app
