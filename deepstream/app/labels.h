#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "commands.h"

namespace sightline::app {

/** What the daemon knows of tracks, to be drawn. Its lock is held for a look into a map. */
class LabelStore {
public:
  explicit LabelStore(std::size_t cameras) : cameras_(cameras) {}

  /** Of a newer open of the source they take the place of all before. */
  void put(std::size_t camera, std::uint32_t generation, const std::vector<Label> &labels);
  std::optional<Label> find(std::size_t camera, std::uint32_t generation, std::uint32_t track_id) const;

private:
  /** More tracks than that have no names. */
  static constexpr std::size_t most = 1024;
  struct Known {
    std::uint32_t generation = 0;
    std::unordered_map<std::uint32_t, Label> labels;
  };
  mutable std::mutex mutex_;
  std::vector<Known> cameras_;
};

struct Colour {
  double red;
  double green;
  double blue;
};

/** `#rrggbb`; white for anything else. */
Colour colour_of(const std::string &text);
/** Name and similarity, in the words of the pages; what the object is where nobody is known. */
std::string words_of(const std::optional<Label> &label, const std::string &object);

} // namespace sightline::app
