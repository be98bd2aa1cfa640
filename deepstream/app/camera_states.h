#pragma once

#include <functional>
#include <string>
#include <vector>

#include "camera.h"
#include "keeping_up.h"
#include "log.h"
#include "messages.h"

namespace sightline::app {

/**
 * Whether a camera's crops come to nothing: they were refused over three seconds at the least, and none was cut in between;
 * until one is again. A single one that is refused means nothing. Pure.
 */
class CropTrouble {
public:
  bool look(std::uint64_t cut, std::uint64_t refused, std::int64_t now_us);

private:
  std::uint64_t cut_ = 0;
  std::uint64_t refused_ = 0;
  /** The first and the latest that were refused since one was cut; 0: none was. */
  std::int64_t since_us_ = 0;
  std::int64_t latest_us_ = 0;
};

/** Something that is not as it should be with a camera that is live; without words: it is. */
struct Trouble {
  std::string reason;
  const char *code = "";
};

/** What of a camera is passed over because there is too much to do, in words. */
class LateTrouble {
public:
  /** Several times a second, while it is live. */
  void look(const Camera &camera, std::int64_t now_us, Log &log);
  /** What was says nothing about what comes. */
  void forget();
  const Trouble &decoding() const { return behind_; }
  const Trouble &looking() const { return late_; }

private:
  KeepingUp looks_{look_limits};
  KeepingUp decoded_{decode_limits};
  Trouble late_;
  Trouble behind_;
  std::int64_t looked_us_ = 0;
  /** Decoded frames when it was looked at, and looks that were due since it is live. */
  double decoded_before_ = 0;
  double due_ = 0;
};

/** The states of the cameras in words, by what their threads have noted. For the main thread. */
class CameraStates {
public:
  using Report = std::function<void(std::size_t camera, const SourceStatusFacts &)>;
  CameraStates(std::string decode, Report report, Log &log)
      : decode_(std::move(decode)), report_(std::move(report)), log_(log) {}

  /** Its source is being opened. */
  void opening(Camera &camera);
  /** What GStreamer says of its source, without addresses. */
  void warned(const Camera &camera, const std::string &text);
  /** Its source has failed and will be opened again. */
  void failed(Camera &camera, const std::string &reason, std::uint32_t retry_in_ms);
  /** Its source is opened again: what comes begins an epoch. */
  void opened_again(Camera &camera);
  /** Its source was made anew, for the so-manieth time since there was a picture. */
  void renewed(Camera &camera, unsigned times);
  /** Its source is to be made anew, and cannot be taken down. */
  void stuck(Camera &camera);
  /** Several times a second. */
  void tick(Camera &camera);

private:
  struct State {
    SourceStatusFacts facts;
    std::int64_t since_us = 0;
    std::string warning;
    CropTrouble crops;
    LateTrouble late;
  };
  void say(const Camera &camera, State &state, SourceStatusFacts facts);
  void away(Camera &camera, State &state, const std::string &reason, const char *code);
  void tell_troubles(const Camera &camera, State &state, bool no_crops);
  State &of(const Camera &camera);

  const std::string decode_;
  const Report report_;
  Log &log_;
  std::vector<State> states_;
};

/** Of what GStreamer says of a source: the camera wants another login. */
bool refuses_password(const std::string &text);
/** The error code (docs/operations.md) that a text of GStreamer stands for. */
const char *code_of(const std::string &text);

} // namespace sightline::app
