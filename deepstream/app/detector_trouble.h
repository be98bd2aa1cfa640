#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "settings.h"

namespace sightline::app {

/** Whether a detector fails: also for some seconds after, as one good picture among bad ones mends nothing. Pure. */
class DetectorTrouble {
public:
  bool look(std::uint64_t failures, std::int64_t now_us);

private:
  std::uint64_t failures_ = 0;
  std::int64_t until_us_ = 0;
};

/** The models of a kind. Their parser is one, which is not told whose picture it reads. */
std::vector<std::string> models_of(const std::vector<DetectorSettings> &detectors, DetectorKind kind);

/** What a parser could not read, with the models that it may be of where that is not one alone. */
std::string problem_of(const std::vector<std::string> &models, const std::string &problem);

} // namespace sightline::app
