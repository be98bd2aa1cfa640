#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "renewal_rule.h"

namespace sightline::app {

/** A source that failed is opened again after so long. */
constexpr std::uint32_t reopen_after_ms = 30'000;

/** What is seen of a camera's source. */
struct SourceSight {
  SourcePulse pulse;
  bool live = false;
  /** A film that begins again has come to its end. */
  bool round_over = false;
};

/**
 * Says which camera's bin is taken down and which is opened again, for whatever reason: nobody else does. One at a time is
 * taken down; that may take long or never come back. What it says is to be done. For cameras that are open. Pure.
 */
class RenewalPlan {
public:
  enum class Act {
    none,
    /** It failed, and nobody else has said so: to be told, and handed to `failed`. */
    fail,
    take_down,
    open,
    /** Taking it down hangs: to be told. */
    hangs,
    /** The same, and the program has to end, since another waits for its turn or there is no other. */
    end,
  };
  enum class Why { failed, silent, round_over };
  struct Step {
    Act act = Act::none;
    std::size_t camera = 0;
    /** Of `take_down`. */
    Why why = Why::failed;
  };

  RenewalPlan(unsigned interval_s, std::size_t cameras);

  /** By what is seen of all cameras, several times a second, until there is nothing to be done. */
  Step next(const std::vector<SourceSight> &cameras, std::int64_t now_us);
  /** False where that was known. */
  bool failed(std::size_t camera, std::int64_t now_us);
  /** What was to be taken down is. */
  Step taken_down(std::int64_t now_us);
  /** It failed and has not been opened again. */
  bool rests(std::size_t camera) const { return bins_[camera].failed_us != 0; }
  /** How often it was made anew since its latest picture. */
  unsigned in_vain(std::size_t camera) const { return bins_[camera].rule.in_vain(); }

private:
  struct Bin {
    RenewalRule rule;
    /** 0: it has not, since it was opened. */
    std::int64_t failed_us = 0;
    bool down = false;
  };
  Step open(std::int64_t now_us);
  /** Who is to be taken down next, but for the one that is. */
  Step waiting(const std::vector<SourceSight> &cameras, std::int64_t now_us);

  std::vector<Bin> bins_;
  /** What is being taken down, since when, and whether it has been said that this takes too long. */
  Step leaving_;
  std::int64_t leaving_since_us_ = 0;
  bool told_ = false;
};

} // namespace sightline::app
