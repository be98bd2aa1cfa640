#pragma once

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "camera_states.h"
#include "log.h"
#include "pipeline.h"
#include "renewal_plan.h"
#include "source.h"

namespace sightline::app {

/**
 * Opens the cameras' sources, and makes their bins anew: of sources that failed, of cameras that nvurisrcbin does not get back,
 * and of films that begin again. Taking one down may take long or not come back: it is done on a thread of its own, and the
 * other cameras go on. For the main thread.
 */
class Renewals {
public:
  struct Calls {
    /** Lets the main thread call what it is given. */
    std::function<void(std::function<void()>)> post;
    /** A bin that hangs keeps others from coming back. */
    std::function<void(const std::string &)> stuck;
  };
  Renewals(Pipeline &pipeline, CameraStates &states, std::size_t cameras, Calls calls, Log &log);
  /** Waits for what is being taken down: after the pipeline's end. */
  ~Renewals();
  Renewals(const Renewals &) = delete;
  Renewals &operator=(const Renewals &) = delete;

  /** In the order of their cameras' numbers, each once. */
  void open(Source &source);
  /** GStreamer reports that it has failed. */
  void failed(const Camera &camera, const std::string &reason);
  /** It failed and has not been opened again. */
  bool rests(const Camera &camera) const { return plan_.rests(camera.index); }
  /** Several times a second, once all are open. */
  void tick();

private:
  void take(RenewalPlan::Step step);
  void take_down(RenewalPlan::Step step);
  void finish();
  void try_open(std::size_t camera);

  Pipeline &pipeline_;
  CameraStates &states_;
  const Calls calls_;
  Log &log_;
  std::vector<Source *> sources_;
  RenewalPlan plan_;
  std::thread thread_;
};

} // namespace sightline::app
