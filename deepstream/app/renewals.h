#pragma once

#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include "camera_states.h"
#include "log.h"
#include "pipeline.h"
#include "renewal_rule.h"
#include "source.h"

namespace sightline::app {

/**
 * Makes the bins of cameras anew that nvurisrcbin does not get back, and of films that begin again, one at a time. Taking one
 * down may take long or not come back: it is done on a thread of its own, and the other cameras go on. For the main thread.
 */
class Renewals {
public:
  /** `post` lets the main thread call what it is given. */
  Renewals(Pipeline &pipeline, CameraStates &states, std::function<void(std::function<void()>)> post, Log &log);
  /** Waits for what is being taken down: after the pipeline's end. */
  ~Renewals();
  Renewals(const Renewals &) = delete;
  Renewals &operator=(const Renewals &) = delete;

  void watch(Source &source, std::size_t cameras);
  /** Several times a second. */
  void tick();

private:
  struct Watched {
    Source *source;
    RenewalRule rule;
    /** Not away: its film begins again. */
    bool again = false;
  };
  void begin(Watched &watched);
  void finish();

  Pipeline &pipeline_;
  CameraStates &states_;
  const std::function<void(std::function<void()>)> post_;
  Log &log_;
  std::vector<Watched> watched_;
  /** The one whose bin is being taken down, since when, and whether it has been said that this takes too long. */
  Watched *leaving_ = nullptr;
  std::int64_t leaving_since_us_ = 0;
  bool said_ = false;
  std::thread thread_;
};

} // namespace sightline::app
