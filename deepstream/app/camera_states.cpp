#include "camera_states.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "bus_text.h"
#include "clocks.h"

namespace sightline::app {
namespace {

using wire::SourceState;

constexpr std::int64_t crop_trouble_us = 3'000'000;
constexpr std::int64_t late_every_us = 1'000'000;
constexpr const char *look_remedy =
    "fewer looks (fps), a smaller detector, fewer cameras on the card or another one would help";
constexpr const char *decode_remedy = "a smaller stream of the camera or fewer cameras on the card would help";

std::string rate(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), value < 1 ? "%.2f" : "%.1f", value);
  return text.data();
}

std::string pace_of(const PaceVerdict &verdict) {
  return rate(verdict.fps) + " of " + rate(verdict.due_fps) + " frames a second are ";
}

/** As often as the most frequent of its detectors is to look. */
double asked_fps(const CameraConfig &config) {
  double fps = 0;
  for (const auto &detect : config.detect) fps = std::max(fps, detect.fps);
  return fps;
}

} // namespace

bool refuses_password(const std::string &text) {
  return holds(text, "nauthorized") || holds(text, "401") || holds(text, "uthentication");
}

const char *code_of(const std::string &text) {
  if (refuses_password(text)) return "source.auth";
  if (holds(text, "connect") || holds(text, "resolve") || holds(text, "refused")) return "source.unreachable";
  if (holds(text, "timeout") || holds(text, "Timeout") || holds(text, "not receive any data")) return "source.timeout";
  return "source.failed";
}

bool CropTrouble::look(std::uint64_t cut, std::uint64_t refused, std::int64_t now_us) {
  if (cut != cut_) {
    since_us_ = 0;
  } else if (refused != refused_) {
    if (since_us_ == 0) since_us_ = now_us;
    latest_us_ = now_us;
  }
  cut_ = cut;
  refused_ = refused;
  return since_us_ != 0 && latest_us_ - since_us_ >= crop_trouble_us;
}

void LateTrouble::forget() {
  *this = {};
}

void LateTrouble::look(const Camera &camera, std::int64_t now_us, Log &log) {
  if (now_us - looked_us_ < late_every_us) return;
  const auto decoded = static_cast<double>(camera.delivered.load());
  const auto skipped = static_cast<double>(camera.units_skipped.load());
  // What is not decoded cannot be looked at, and that is said apart; nor can a camera be looked at more often than it sends.
  const double asked = asked_fps(camera.config) * static_cast<double>(now_us - looked_us_) / 1e6;
  if (looked_us_ != 0) due_ += std::min(asked, decoded - decoded_before_);
  looked_us_ = now_us;
  decoded_before_ = decoded;
  const std::string &name = camera.config.camera;
  if (const auto verdict = decoded_.add({decoded, decoded + skipped, skipped}, now_us)) {
    behind_ = {};
    if (verdict->late) {
      behind_ = {pace_of(*verdict) + "decoded: there is no time for more; " + decode_remedy, "camera.late"};
      log.warn("camera sends more than is decoded, video is skipped",
               {{"camera", name}, {"fps", verdict->fps}, {"dueFps", verdict->due_fps}, {"remedy", decode_remedy}});
    } else {
      log.info("camera is decoded in whole again", {{"camera", name}});
    }
  }
  const auto looked = static_cast<double>(camera.frames_detected.load());
  if (const auto verdict = looks_.add({looked, due_, static_cast<double>(camera.passed_over())}, now_us)) {
    late_ = {};
    if (verdict->late) {
      late_ = {pace_of(*verdict) + "looked at: card, Triton or processor have no time for more; " + look_remedy, "camera.late"};
      log.warn("camera is looked at less often than asked",
               {{"camera", name}, {"fps", verdict->fps}, {"dueFps", verdict->due_fps}, {"remedy", look_remedy}});
    } else {
      log.info("camera is looked at as often as asked again", {{"camera", name}});
    }
  }
}

CameraStates::State &CameraStates::of(const Camera &camera) {
  if (states_.size() <= camera.index) states_.resize(camera.index + 1);
  return states_[camera.index];
}

void CameraStates::say(const Camera &camera, State &state, SourceStatusFacts facts) {
  if (facts.state != state.facts.state) state.since_us = mono_us();
  state.facts = std::move(facts);
  report_(camera.index, state.facts);
}

void CameraStates::opening(Camera &camera) {
  State &state = of(camera);
  state.since_us = mono_us();
  state.warning.clear();
  say(camera, state, {});
}

void CameraStates::warned(const Camera &camera, const std::string &text) {
  of(camera).warning = text;
}

void CameraStates::failed(Camera &camera, const std::string &reason, std::uint32_t retry_in_ms) {
  State &state = of(camera);
  camera.reopened = true;
  SourceStatusFacts facts;
  facts.state = SourceState::away;
  facts.reason = reason;
  facts.code = code_of(reason);
  facts.retry_in_ms = retry_in_ms;
  if (reason != state.facts.reason) log_.warn("camera away", {{"camera", camera.config.camera}, {"reason", reason}});
  say(camera, state, std::move(facts));
}

void CameraStates::opened_again(Camera &camera) {
  State &state = of(camera);
  camera.reopened = true;
  // What came of the source before was on its way.
  if (state.facts.state == SourceState::away) state.since_us = mono_us();
}

void CameraStates::renewed(Camera &camera, unsigned times) {
  // The first one may help.
  if (times < 2) return;
  State &state = of(camera);
  away(camera, state, "no picture, although its source was made anew " + std::to_string(times - 1) + " times",
       "source.timeout");
}

void CameraStates::stuck(Camera &camera) {
  away(camera, of(camera), "its source hangs and cannot be made anew; a restart of its container would help", "source.failed");
}

void CameraStates::away(Camera &camera, State &state, const std::string &reason, const char *code) {
  camera.reopened = true;
  SourceStatusFacts facts;
  facts.state = SourceState::away;
  facts.reason = state.warning.empty() ? reason : state.warning;
  facts.code = state.warning.empty() ? code : code_of(state.warning);
  facts.retry_in_ms = 1000 * reconnect_seconds;
  log_.warn("camera away", {{"camera", camera.config.camera}, {"code", facts.code}, {"reason", facts.reason}});
  state.warning.clear();
  say(camera, state, std::move(facts));
}

/** All that is not as it should be as one state, the gravest first. */
void CameraStates::tell_troubles(const Camera &camera, State &state, bool no_crops) {
  constexpr const char *crops_code = "camera.crops";
  const Trouble crops = no_crops ? Trouble{"its crops cannot be cut: nobody in it is recognised", crops_code} : Trouble{};
  SourceStatusFacts facts = state.facts;
  facts.reason.clear();
  facts.code.clear();
  facts.other_codes.clear();
  for (const Trouble &trouble : {crops, state.late.decoding(), state.late.looking()}) {
    if (trouble.reason.empty()) continue;
    facts.reason += (facts.reason.empty() ? "" : "; ") + trouble.reason;
    if (facts.code.empty())
      facts.code = trouble.code;
    else if (facts.code != trouble.code && facts.other_codes.empty())
      facts.other_codes.emplace_back(trouble.code);
  }
  if (facts.reason == state.facts.reason) return;
  if (no_crops && state.facts.code != crops_code)
    log_.error("the crop encoder gives nothing", {{"camera", camera.config.camera}});
  say(camera, state, std::move(facts));
}

void CameraStates::tick(Camera &camera) {
  State &state = of(camera);
  const auto now_us = mono_us();
  const auto seen_us = camera.seen_us.load(std::memory_order_relaxed);
  const bool is_live = state.facts.state == SourceState::live;
  const bool is_ended = state.facts.state == SourceState::ended;
  // Between the rounds of a film nothing is away.
  const bool loops = camera.config.loop && !camera.live;
  if (camera.ended && !loops && !is_ended && state.facts.state != SourceState::away) {
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
  if (!is_live && seen_us > state.since_us && !camera.ended) {
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
  const bool no_crops = state.crops.look(camera.crops_cut, camera.crops_refused, now_us);
  if (is_live) {
    state.late.look(camera, now_us, log_);
    tell_troubles(camera, state, no_crops);
  } else {
    state.late.forget();
  }
  if (is_live && (state.facts.width != camera.width || state.facts.height != camera.height)) {
    SourceStatusFacts facts = state.facts;
    facts.width = camera.width;
    facts.height = camera.height;
    say(camera, state, std::move(facts));
  }
  if (!camera.live) return;
  const auto silence_us = camera.config.silence_timeout_ms * std::int64_t{1000};
  if (is_live && now_us - camera.alive_us() > silence_us)
    away(camera, state, "no picture for " + std::to_string(camera.config.silence_timeout_ms / 1000) + " s", "source.timeout");
  const auto open_us = camera.config.open_timeout_ms * std::int64_t{1000};
  if (state.facts.state == SourceState::connecting && now_us - state.since_us > open_us)
    away(camera, state, "no picture within " + std::to_string(camera.config.open_timeout_ms / 1000) + " s", "source.timeout");
}

} // namespace sightline::app
