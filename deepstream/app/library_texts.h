#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "log.h"

namespace sightline::app {

/** Lets a few lines through each second, and each text once in a while: a library that fails says the same for every picture.
 * Pure. */
class TextSluice {
public:
  static constexpr unsigned lines_per_second = 20;
  /** How many were left out since the latest that was let through; absent: this one is left out too. */
  std::optional<std::uint64_t> take(const std::string &text, std::int64_t now_us);
  /** How many were left out and not told of. */
  std::uint64_t take_left_out() { return std::exchange(left_, 0); }

private:
  struct Known {
    std::string text;
    std::int64_t said_us;
  };
  std::deque<Known> known_;
  std::int64_t second_ = 0;
  unsigned count_ = 0;
  std::uint64_t left_ = 0;
};

/**
 * What GStreamer and GLib would write on stderr becomes log lines, so that each line there is one JSON object and holds no
 * address: a few a second, the others are counted. Once, after gst_init; `log` must outlive the process's use of both.
 */
void take_library_texts(Log &log);

/** Says how many lines were left out behind the last one. At the end of the process. */
void say_left_out(Log &log);

} // namespace sightline::app
