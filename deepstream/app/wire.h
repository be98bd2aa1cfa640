#pragma once

#include "protozero_checked.h"

#include <protozero/types.hpp>

/**
 * Field numbers of proto/sightline/bridge/v1/bridge.proto and proto/sightline/media/v1/media.proto, those that this program
 * writes or reads. test/unit/deepstream-wire.test.ts holds them to the files.
 */
namespace sightline::app::wire {

enum class WorkerMessage : protozero::pbf_tag_type {
  hello = 1,
  frames = 2,
  status = 3,
  stats = 4,
  log = 5,
  pong = 6,
  drained = 7,
  epochRequest = 8,
};

enum class Hello : protozero::pbf_tag_type {
  protocolVersion = 1,
  worker = 2,
  token = 3,
  runtime = 4,
  capabilities = 5,
  pid = 6,
};

enum class EpochRequest : protozero::pbf_tag_type {
  camera = 1,
};

enum class FrameBatch : protozero::pbf_tag_type {
  frames = 1,
};

enum class Frame : protozero::pbf_tag_type {
  camera = 1,
  epoch = 2,
  sequence = 3,
  pts = 4,
  timeBaseNum = 5,
  timeBaseDen = 6,
  receivedMonoUs = 7,
  cameraTimeUs = 8,
  cameraTimeSource = 9,
  width = 10,
  height = 11,
  predicted = 12,
  objects = 13,
  decodedMonoUs = 14,
  detectedMonoUs = 15,
  sentMonoUs = 16,
  endedTracks = 17,
  live = 18,
};

enum class CameraTimeSource : int {
  unspecified = 0,
  rtcp = 1,
  arrival = 2,
};

enum class Object : protozero::pbf_tag_type {
  trackId = 1,
  label = 2,
  model = 3,
  score = 4,
  box = 5,
  landmarks = 6,
  personTrackId = 7,
  crop = 8,
};

enum class Rect : protozero::pbf_tag_type {
  left = 1,
  top = 2,
  width = 3,
  height = 4,
};

enum class Crop : protozero::pbf_tag_type {
  jpeg = 1,
  rect = 2,
  width = 3,
  height = 4,
  landmarks = 5,
  box = 6,
  quality = 7,
};

enum class Quality : protozero::pbf_tag_type {
  heightPx = 1,
  sharpness = 2,
  rollDegrees = 3,
  yaw = 4,
  visible = 5,
  score = 6,
  overall = 7,
};

enum class SourceStatus : protozero::pbf_tag_type {
  camera = 1,
  epoch = 2,
  state = 3,
  reason = 4,
  code = 5,
  codec = 6,
  width = 7,
  height = 8,
  decode = 9,
  retryInMs = 10,
  fps = 11,
  otherCodes = 12,
};

enum class SourceState : int {
  unspecified = 0,
  connecting = 1,
  live = 2,
  away = 3,
  ended = 4,
  failed = 5,
};

enum class WorkerStats : protozero::pbf_tag_type {
  cameras = 1,
  rssBytes = 2,
  cpuSeconds = 3,
  inferQueue = 4,
  models = 5,
  inferenceDeaths = 6,
  served = 7,
};

enum class CameraStats : protozero::pbf_tag_type {
  camera = 1,
  framesDecoded = 2,
  framesDetected = 3,
  framesGated = 4,
  framesDropped = 5,
  batchesDropped = 6,
  crops = 7,
  fps = 8,
  stream = 9,
  videoDropped = 10,
  annotatedDropped = 11,
  unitsSkipped = 12,
};

enum class StreamStats : protozero::pbf_tag_type {
  units = 1,
  bytes = 2,
  mediaMs = 3,
  keyFrames = 4,
  keySpanMs = 5,
  longestKeyIntervalMs = 6,
  reorderUnits = 7,
  undecodable = 8,
  declaredFps = 9,
  senderClock = 10,
  senderAheadMs = 11,
  live = 12,
};

enum class LogLine : protozero::pbf_tag_type {
  level = 1,
  message = 2,
  fieldsJson = 3,
};

enum class Pong : protozero::pbf_tag_type {
  id = 1,
};

enum class DaemonMessage : protozero::pbf_tag_type {
  welcome = 1,
  configure = 2,
  labels = 3,
  wantVideo = 4,
  ping = 5,
  drain = 6,
  epoch = 7,
};

enum class Welcome : protozero::pbf_tag_type {
  protocolVersion = 1,
  configure = 2,
};

enum class Configure : protozero::pbf_tag_type {
  cameras = 1,
  inference = 2,
};

enum class CameraConfig : protozero::pbf_tag_type {
  camera = 1,
  source = 2,
  detectSource = 3,
  transport = 4,
  decode = 5,
  realtime = 6,
  loop = 7,
  detect = 8,
  masks = 9,
  motion = 10,
  crops = 11,
  openTimeoutMs = 12,
  silenceTimeoutMs = 13,
  revision = 14,
  properties = 15,
};

enum class Detect : protozero::pbf_tag_type {
  model = 1,
  fps = 2,
  minScore = 3,
  classes = 4,
  minSize = 5,
  width = 6,
};

enum class CropPolicy : protozero::pbf_tag_type {
  faces = 1,
  bodies = 2,
  minFaceHeight = 3,
  minBodyHeight = 4,
  refreshMs = 5,
  betterBy = 6,
  jpegQuality = 7,
  maxSide = 8,
};

enum class Labels : protozero::pbf_tag_type {
  camera = 1,
  epoch = 2,
  labels = 3,
};

enum class Label : protozero::pbf_tag_type {
  trackId = 1,
  decided = 2,
  text = 3,
  colour = 4,
  score = 5,
};

enum class WantVideo : protozero::pbf_tag_type {
  camera = 1,
  annotated = 2,
};

enum class Ping : protozero::pbf_tag_type {
  id = 1,
};

enum class Epoch : protozero::pbf_tag_type {
  camera = 1,
  epoch = 2,
};

enum class MediaMessage : protozero::pbf_tag_type {
  hello = 1,
  format = 2,
  unit = 3,
};

enum class MediaHello : protozero::pbf_tag_type {
  protocolVersion = 1,
  worker = 2,
  token = 3,
};

enum class Variant : int {
  unspecified = 0,
  clean = 1,
  annotated = 2,
};

enum class Format : protozero::pbf_tag_type {
  camera = 1,
  epoch = 2,
  variant = 3,
  codec = 4,
  width = 5,
  height = 6,
  parameterSets = 7,
  revision = 8,
};

enum class Unit : protozero::pbf_tag_type {
  camera = 1,
  epoch = 2,
  variant = 3,
  key = 4,
  pts = 5,
  dts = 6,
  captureTimeUs = 7,
  receivedMonoUs = 8,
  data = 9,
};

} // namespace sightline::app::wire
