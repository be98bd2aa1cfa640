#include "camera_states.h"

#include "clocks.h"

namespace sightline::app {
namespace {

using wire::SourceState;

/** As nvurisrcbin tries again. */
constexpr std::uint32_t reconnectMs = 5000;

bool holds(const std::string &text, const char *part) {
  return text.find(part) != std::string::npos;
}

} // namespace

const char *codeOf(const std::string &text) {
  if (holds(text, "nauthorized") || holds(text, "401") || holds(text, "uthentication")) return "source.auth";
  if (holds(text, "connect") || holds(text, "resolve") || holds(text, "refused")) return "source.unreachable";
  if (holds(text, "timeout") || holds(text, "Timeout") || holds(text, "not receive any data")) return "source.timeout";
  return "source.failed";
}

CameraStates::State &CameraStates::of(const Camera &camera) {
  if (states_.size() <= camera.index) states_.resize(camera.index + 1);
  return states_[camera.index];
}

void CameraStates::say(const Camera &camera, State &state, SourceStatusFacts facts) {
  if (facts.state != state.facts.state) state.sinceUs = monoUs();
  state.facts = std::move(facts);
  report_(camera.index, state.facts);
}

void CameraStates::opening(Camera &camera) {
  State &state = of(camera);
  state.sinceUs = monoUs();
  state.warning.clear();
  say(camera, state, {});
}

void CameraStates::warned(const Camera &camera, const std::string &text) {
  of(camera).warning = text;
}

void CameraStates::failed(Camera &camera, const std::string &reason, std::uint32_t retryInMs) {
  State &state = of(camera);
  camera.reopened = true;
  SourceStatusFacts facts;
  facts.state = SourceState::away;
  facts.reason = reason;
  facts.code = codeOf(reason);
  facts.retryInMs = retryInMs;
  if (reason != state.facts.reason) log_.warn("camera away", {{"camera", camera.config.camera}, {"reason", reason}});
  say(camera, state, std::move(facts));
}

void CameraStates::away(Camera &camera, State &state, const std::string &reason, const char *code) {
  camera.reopened = true;
  SourceStatusFacts facts;
  facts.state = SourceState::away;
  facts.reason = state.warning.empty() ? reason : state.warning;
  facts.code = state.warning.empty() ? code : codeOf(state.warning);
  facts.retryInMs = reconnectMs;
  log_.warn("camera away", {{"camera", camera.config.camera}, {"code", facts.code}, {"reason", facts.reason}});
  state.warning.clear();
  say(camera, state, std::move(facts));
}

void CameraStates::tick(Camera &camera) {
  State &state = of(camera);
  const auto nowUs = monoUs();
  const auto seenUs = camera.seenUs.load(std::memory_order_relaxed);
  const auto deliveredUs = camera.deliveredUs.load(std::memory_order_relaxed);
  const bool isLive = state.facts.state == SourceState::live;
  const bool isEnded = state.facts.state == SourceState::ended;
  if (camera.ended && !isEnded && state.facts.state != SourceState::away) {
    if (camera.live) {
      away(camera, state, "the source ended the stream", "source.ended");
      return;
    }
    SourceStatusFacts facts;
    facts.state = SourceState::ended;
    facts.reason = "the file was played to its end";
    facts.code = "source.ended";
    log_.info("file ended", {{"camera", camera.config.camera}});
    say(camera, state, std::move(facts));
    return;
  }
  if (!isLive && seenUs > state.sinceUs && !camera.ended) {
    SourceStatusFacts facts;
    facts.state = SourceState::live;
    facts.codec = camera.codec.load();
    facts.width = camera.width;
    facts.height = camera.height;
    facts.decode = decode_;
    state.warning.clear();
    log_.info("camera live",
              {{"camera", camera.config.camera}, {"codec", facts.codec}, {"width", facts.width}, {"height", facts.height}});
    say(camera, state, std::move(facts));
    return;
  }
  if (isLive && (state.facts.width != camera.width || state.facts.height != camera.height)) {
    SourceStatusFacts facts = state.facts;
    facts.width = camera.width;
    facts.height = camera.height;
    say(camera, state, std::move(facts));
  }
  if (!camera.live) return;
  const auto silenceUs = camera.config.silenceTimeoutMs * std::int64_t{1000};
  if (isLive && nowUs - deliveredUs > silenceUs)
    away(camera, state, "no picture for " + std::to_string(camera.config.silenceTimeoutMs / 1000) + " s", "source.timeout");
  const auto openUs = camera.config.openTimeoutMs * std::int64_t{1000};
  if (state.facts.state == SourceState::connecting && nowUs - state.sinceUs > openUs)
    away(camera, state, "no picture within " + std::to_string(camera.config.openTimeoutMs / 1000) + " s", "source.timeout");
}

} // namespace sightline::app
