#include "renewals.h"

#include "clocks.h"

namespace sightline::app {

using Act = RenewalPlan::Act;
using Why = RenewalPlan::Why;

Renewals::Renewals(Pipeline &pipeline, CameraStates &states, std::size_t cameras, Calls calls, Log &log)
    : pipeline_(pipeline), states_(states), calls_(std::move(calls)), log_(log), plan_(reconnect_seconds, cameras) {}

Renewals::~Renewals() {
  if (thread_.joinable()) thread_.join();
}

void Renewals::open(Source &source) {
  sources_.push_back(&source);
  states_.opening(source.camera());
  try_open(source.camera().index);
}

void Renewals::failed(const Camera &camera, const std::string &reason) {
  if (plan_.failed(camera.index, mono_us())) states_.failed(sources_[camera.index]->camera(), reason, reopen_after_ms);
}

void Renewals::tick() {
  while (true) {
    std::vector<SourceSight> seen;
    for (const Source *source : sources_) {
      const Camera &camera = source->camera();
      seen.push_back({source->pulse(), camera.live, !camera.live && camera.ended && camera.config.loop});
    }
    const auto step = plan_.next(seen, mono_us());
    if (step.act == Act::none) return;
    take(step);
    if (step.act == Act::end) return;
  }
}

void Renewals::take(RenewalPlan::Step step) {
  Camera &camera = sources_[step.camera]->camera();
  switch (step.act) {
  case Act::none:
    break;
  case Act::fail:
    failed(camera, "the film came to its end without a picture");
    break;
  case Act::take_down:
    take_down(step);
    break;
  case Act::open:
    camera.ended = false;
    states_.opened_again(camera);
    try_open(step.camera);
    break;
  case Act::hangs:
    states_.stuck(camera);
    break;
  case Act::end:
    calls_.stuck("the source of camera " + camera.config.camera + " cannot be taken down");
    break;
  }
}

void Renewals::take_down(RenewalPlan::Step step) {
  Source &source = *sources_[step.camera];
  if (step.why == Why::silent)
    log_.warn("a camera's source is made anew, as nothing has come of it",
              {{"camera", source.camera().config.camera}, {"madeAnew", plan_.in_vain(step.camera)}});
  thread_ = std::thread([this, leave = pipeline_.part(source)] {
    leave();
    calls_.post([this] { finish(); });
  });
}

void Renewals::finish() {
  thread_.join();
  const auto gone = plan_.taken_down(mono_us());
  if (gone.why == Why::silent) states_.renewed(sources_[gone.camera]->camera(), plan_.in_vain(gone.camera));
  tick();
}

void Renewals::try_open(std::size_t index) {
  Source &source = *sources_[index];
  // The bus may hold what it says of it itself.
  if (const auto problem = pipeline_.open(source)) failed(source.camera(), *problem);
}

} // namespace sightline::app
