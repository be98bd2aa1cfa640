#include "renewals.h"

#include "clocks.h"

namespace sightline::app {
namespace {

/** Longer than rtspsrc waits for a camera that does not answer. */
constexpr std::int64_t leaves_within_us = 60'000'000;

} // namespace

Renewals::Renewals(Pipeline &pipeline, CameraStates &states, std::function<void(std::function<void()>)> post, Log &log)
    : pipeline_(pipeline), states_(states), post_(std::move(post)), log_(log) {}

Renewals::~Renewals() {
  if (thread_.joinable()) thread_.join();
}

void Renewals::watch(Source &source, std::size_t cameras) {
  watched_.push_back({&source, RenewalRule(reconnect_seconds, cameras)});
}

void Renewals::tick() {
  const auto now_us = mono_us();
  if (leaving_ != nullptr) {
    if (said_ || now_us - leaving_since_us_ <= leaves_within_us) return;
    said_ = true;
    states_.stuck(leaving_->source->camera());
    return;
  }
  for (auto &watched : watched_) {
    const Camera &camera = watched.source->camera();
    watched.again = !camera.live && camera.ended && camera.config.loop;
    if (!watched.again && !(camera.live && watched.rule.due(watched.source->pulse(), now_us))) continue;
    begin(watched);
    return;
  }
}

void Renewals::begin(Watched &watched) {
  leaving_ = &watched;
  leaving_since_us_ = mono_us();
  said_ = false;
  if (!watched.again)
    log_.warn("a camera's source is made anew, as nothing has come of it",
              {{"camera", watched.source->camera().config.camera}, {"madeAnew", watched.rule.in_vain()}});
  thread_ = std::thread([this, leave = pipeline_.part(*watched.source)] {
    leave();
    post_([this] { finish(); });
  });
}

void Renewals::finish() {
  thread_.join();
  Watched &watched = *std::exchange(leaving_, nullptr);
  Camera &camera = watched.source->camera();
  if (watched.again) {
    camera.ended = false;
    camera.reopened = true;
  } else {
    watched.rule.renewed(mono_us());
    states_.renewed(camera, watched.rule.in_vain());
  }
  const auto problem = pipeline_.open_anew(*watched.source);
  if (problem) states_.warned(camera, *problem);
}

} // namespace sightline::app
