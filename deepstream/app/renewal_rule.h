#pragma once

#include <cstdint>

namespace sightline::app {

/** What is seen of a camera's source, in microseconds of CLOCK_MONOTONIC; 0: never. */
struct SourcePulse {
  /** Its bin was opened. */
  std::int64_t opened_us = 0;
  /** A picture came out of it. */
  std::int64_t picture_us = 0;
  /** A sign that the bin itself tries to get the camera back. */
  std::int64_t tried_us = 0;
};

/** Says when a camera's bin is made anew, as nvurisrcbin does not get it back. Looked at several times a second. Pure. */
class RenewalRule {
public:
  /** Resets of the bins wait for each other: with more cameras each has to be given more time. */
  RenewalRule(unsigned interval_s, std::size_t cameras);

  bool due(const SourcePulse &pulse, std::int64_t now_us);
  /** It is made anew. */
  void renewed(std::int64_t now_us);
  /** How often, since its latest picture. */
  unsigned in_vain() const { return in_vain_; }

private:
  const std::int64_t still_us_;
  const std::int64_t silent_us_;
  std::int64_t renewed_us_ = 0;
  unsigned in_vain_ = 0;
};

} // namespace sightline::app
