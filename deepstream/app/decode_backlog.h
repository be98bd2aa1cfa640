#pragma once

#include <cstdint>
#include <optional>

namespace sightline::app {

/**
 * Which units of a live camera are not decoded, after src/software-worker/backlog.ts: once they have waited too long for the
 * decoder for too long, all up to a key picture that has come just now. Late for a moment is made up for. Pure.
 */
class DecodeBacklog {
public:
  /** The next unit on its way to the decoder; true: it is not decoded. `waited_us` is absent where nobody saw it come. */
  bool skips(bool key, std::optional<std::int64_t> waited_us, std::int64_t now_us);

private:
  unsigned keys_ = 0;
  std::optional<std::int64_t> late_since_us_;
  bool skipping_ = false;
};

} // namespace sightline::app
