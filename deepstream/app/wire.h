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
  epoch_request = 8,
};

enum class Hello : protozero::pbf_tag_type {
  protocol_version = 1,
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
  time_base_num = 5,
  time_base_den = 6,
  received_mono_us = 7,
  camera_time_us = 8,
  camera_time_source = 9,
  width = 10,
  height = 11,
  predicted = 12,
  objects = 13,
  decoded_mono_us = 14,
  detected_mono_us = 15,
  sent_mono_us = 16,
  ended_tracks = 17,
  live = 18,
};

enum class CameraTimeSource : int {
  unspecified = 0,
  rtcp = 1,
  arrival = 2,
};

enum class Object : protozero::pbf_tag_type {
  track_id = 1,
  label = 2,
  model = 3,
  score = 4,
  box = 5,
  landmarks = 6,
  person_track_id = 7,
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
  height_px = 1,
  sharpness = 2,
  roll_degrees = 3,
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
  retry_in_ms = 10,
  fps = 11,
  other_codes = 12,
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
  rss_bytes = 2,
  cpu_seconds = 3,
  infer_queue = 4,
  models = 5,
  inference_deaths = 6,
  served = 7,
  gpu = 8,
};

enum class GpuStats : protozero::pbf_tag_type {
  uuid = 1,
  name = 2,
  utilization_percent = 3,
  decoder_percent = 4,
  encoder_percent = 5,
  memory_used_bytes = 6,
  memory_bytes = 7,
  celsius = 8,
};

enum class CameraStats : protozero::pbf_tag_type {
  camera = 1,
  frames_decoded = 2,
  frames_detected = 3,
  frames_gated = 4,
  frames_dropped = 5,
  batches_dropped = 6,
  crops = 7,
  fps = 8,
  stream = 9,
  video_dropped = 10,
  annotated_dropped = 11,
  units_skipped = 12,
  crops_refused = 13,
  objects_left_out = 14,
};

enum class StreamStats : protozero::pbf_tag_type {
  units = 1,
  bytes = 2,
  media_ms = 3,
  key_frames = 4,
  key_span_ms = 5,
  longest_key_interval_ms = 6,
  reorder_units = 7,
  undecodable = 8,
  declared_fps = 9,
  sender_clock = 10,
  sender_ahead_ms = 11,
  live = 12,
};

enum class LogLine : protozero::pbf_tag_type {
  level = 1,
  message = 2,
  fields_json = 3,
};

enum class Pong : protozero::pbf_tag_type {
  id = 1,
};

enum class DaemonMessage : protozero::pbf_tag_type {
  welcome = 1,
  configure = 2,
  labels = 3,
  want_video = 4,
  ping = 5,
  drain = 6,
  epoch = 7,
};

enum class Welcome : protozero::pbf_tag_type {
  protocol_version = 1,
  configure = 2,
};

enum class Configure : protozero::pbf_tag_type {
  cameras = 1,
  inference = 2,
};

enum class CameraConfig : protozero::pbf_tag_type {
  camera = 1,
  source = 2,
  detect_source = 3,
  transport = 4,
  decode = 5,
  realtime = 6,
  loop = 7,
  detect = 8,
  masks = 9,
  motion = 10,
  crops = 11,
  open_timeout_ms = 12,
  silence_timeout_ms = 13,
  revision = 14,
  properties = 15,
};

enum class Detect : protozero::pbf_tag_type {
  model = 1,
  fps = 2,
  min_score = 3,
  classes = 4,
  min_size = 5,
  width = 6,
};

enum class CropPolicy : protozero::pbf_tag_type {
  faces = 1,
  bodies = 2,
  min_face_height = 3,
  min_body_height = 4,
  refresh_ms = 5,
  better_by = 6,
  jpeg_quality = 7,
  max_side = 8,
};

enum class Labels : protozero::pbf_tag_type {
  camera = 1,
  epoch = 2,
  labels = 3,
};

enum class Label : protozero::pbf_tag_type {
  track_id = 1,
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
  protocol_version = 1,
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
  parameter_sets = 7,
  revision = 8,
};

enum class Unit : protozero::pbf_tag_type {
  camera = 1,
  epoch = 2,
  variant = 3,
  key = 4,
  pts = 5,
  dts = 6,
  capture_time_us = 7,
  received_mono_us = 8,
  data = 9,
};

} // namespace sightline::app::wire
