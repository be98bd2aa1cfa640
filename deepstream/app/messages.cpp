#include "messages.h"

#include "protozero_checked.h"

#include <protozero/pbf_builder.hpp>
#include <protozero/varint.hpp>

namespace sightline::app {
namespace {

using protozero::pbf_builder;

/** A WorkerMessage or MediaMessage of one field that is a message, behind its length. Pictures are in it: it is copied once. */
template <typename Outer> std::string wrapped(Outer field, const std::string &inner) {
  std::string head;
  protozero::add_varint_to_buffer(&head, static_cast<std::uint64_t>(field) << 3U |
                                             static_cast<std::uint64_t>(protozero::pbf_wire_type::length_delimited));
  protozero::add_varint_to_buffer(&head, inner.size());
  std::string whole;
  whole.reserve(protozero::max_varint_length + head.size() + inner.size());
  protozero::add_varint_to_buffer(&whole, head.size() + inner.size());
  return whole.append(head).append(inner);
}

/** proto3 leaves zeros out, and so does this: messages are the same as the daemon's own encoder's. */
template <typename T> void add_text(pbf_builder<T> &to, T field, std::string_view text) {
  if (!text.empty()) to.add_string(field, text.data(), text.size());
}
template <typename T> void add_uint(pbf_builder<T> &to, T field, std::uint32_t value) {
  if (value != 0) to.add_uint32(field, value);
}
template <typename T> void add_uint64(pbf_builder<T> &to, T field, std::uint64_t value) {
  if (value != 0) to.add_uint64(field, value);
}
template <typename T> void add_int64(pbf_builder<T> &to, T field, std::int64_t value) {
  if (value != 0) to.add_int64(field, value);
}
template <typename T> void add_float(pbf_builder<T> &to, T field, double value) {
  const auto narrow = static_cast<float>(value);
  if (narrow != 0) to.add_float(field, narrow);
}
template <typename T> void add_double(pbf_builder<T> &to, T field, double value) {
  if (value != 0) to.add_double(field, value);
}
template <typename T> void add_bool(pbf_builder<T> &to, T field, bool value) {
  if (value) to.add_bool(field, true);
}

template <typename T> void add_rect(pbf_builder<T> &to, T field, const Box &box) {
  pbf_builder<wire::Rect> rect(to, field);
  add_float(rect, wire::Rect::left, box.left);
  add_float(rect, wire::Rect::top, box.top);
  add_float(rect, wire::Rect::width, box.width);
  add_float(rect, wire::Rect::height, box.height);
}

template <typename T> void add_points(pbf_builder<T> &to, T field, const std::optional<FivePoints> &points) {
  if (!points) return;
  std::array<float, 10> flat{};
  for (std::size_t i = 0; i < points->size(); i += 1) {
    flat[2 * i] = static_cast<float>((*points)[i].x);
    flat[2 * i + 1] = static_cast<float>((*points)[i].y);
  }
  to.add_packed_float(field, flat.begin(), flat.end());
}

void add_crop(pbf_builder<wire::Object> &to, const SeenCrop &seen, const Quality &measured) {
  pbf_builder<wire::Crop> crop(to, wire::Object::crop);
  crop.add_bytes(wire::Crop::jpeg, seen.jpeg);
  add_rect(crop, wire::Crop::rect, seen.rect);
  add_uint(crop, wire::Crop::width, static_cast<std::uint32_t>(seen.width));
  add_uint(crop, wire::Crop::height, static_cast<std::uint32_t>(seen.height));
  add_points(crop, wire::Crop::landmarks, seen.landmarks);
  add_rect(crop, wire::Crop::box, seen.box);
  pbf_builder<wire::Quality> quality(crop, wire::Crop::quality);
  add_float(quality, wire::Quality::height_px, measured.height_px);
  add_float(quality, wire::Quality::sharpness, measured.sharpness);
  add_float(quality, wire::Quality::roll_degrees, measured.roll_degrees);
  add_float(quality, wire::Quality::yaw, measured.yaw);
  add_float(quality, wire::Quality::visible, measured.visible);
  add_float(quality, wire::Quality::score, measured.score);
  add_float(quality, wire::Quality::overall, measured.overall);
}

void add_object(pbf_builder<wire::Frame> &to, const SeenObject &seen) {
  pbf_builder<wire::Object> object(to, wire::Frame::objects);
  add_uint(object, wire::Object::track_id, seen.track_id);
  add_text(object, wire::Object::label, seen.label);
  add_text(object, wire::Object::model, seen.model);
  add_float(object, wire::Object::score, seen.score);
  add_rect(object, wire::Object::box, seen.box);
  add_points(object, wire::Object::landmarks, seen.landmarks);
  add_uint(object, wire::Object::person_track_id, seen.person_track_id);
  if (seen.crop && seen.crop->quality) add_crop(object, *seen.crop, *seen.crop->quality);
}

void add_camera(pbf_builder<wire::WorkerStats> &to, const CameraCounts &counts) {
  pbf_builder<wire::CameraStats> camera(to, wire::WorkerStats::cameras);
  add_text(camera, wire::CameraStats::camera, counts.camera);
  add_uint64(camera, wire::CameraStats::frames_decoded, counts.frames_decoded);
  add_uint64(camera, wire::CameraStats::frames_detected, counts.frames_detected);
  add_uint64(camera, wire::CameraStats::frames_dropped, counts.frames_dropped);
  add_uint64(camera, wire::CameraStats::batches_dropped, counts.batches_dropped);
  add_uint64(camera, wire::CameraStats::crops, counts.crops);
  add_double(camera, wire::CameraStats::fps, counts.fps);
  if (counts.stream.units > 0) {
    pbf_builder<wire::StreamStats> stream(camera, wire::CameraStats::stream);
    add_uint64(stream, wire::StreamStats::units, counts.stream.units);
    add_uint64(stream, wire::StreamStats::bytes, counts.stream.bytes);
    add_double(stream, wire::StreamStats::media_ms, counts.stream.media_ms);
    add_uint64(stream, wire::StreamStats::key_frames, counts.stream.key_frames);
    add_double(stream, wire::StreamStats::key_span_ms, counts.stream.key_span_ms);
    add_double(stream, wire::StreamStats::longest_key_interval_ms, counts.stream.longest_key_interval_ms);
    add_uint(stream, wire::StreamStats::reorder_units, counts.stream.reorder_units);
    add_double(stream, wire::StreamStats::declared_fps, counts.stream.declared_fps);
    add_bool(stream, wire::StreamStats::sender_clock, counts.sender_clock);
    add_bool(stream, wire::StreamStats::live, counts.live);
  }
  add_uint64(camera, wire::CameraStats::video_dropped, counts.video_dropped);
  add_uint64(camera, wire::CameraStats::annotated_dropped, counts.annotated_dropped);
  add_uint64(camera, wire::CameraStats::units_skipped, counts.units_skipped);
  add_uint64(camera, wire::CameraStats::crops_refused, counts.crops_refused);
  add_uint64(camera, wire::CameraStats::objects_left_out, counts.objects_left_out);
}

void add_gpu(pbf_builder<wire::WorkerStats> &to, const GpuStats &stats) {
  pbf_builder<wire::GpuStats> gpu(to, wire::WorkerStats::gpu);
  add_text(gpu, wire::GpuStats::uuid, stats.uuid);
  add_text(gpu, wire::GpuStats::name, stats.name);
  // What is told is written, a zero too.
  if (stats.utilization_percent) gpu.add_uint32(wire::GpuStats::utilization_percent, *stats.utilization_percent);
  if (stats.decoder_percent) gpu.add_uint32(wire::GpuStats::decoder_percent, *stats.decoder_percent);
  if (stats.encoder_percent) gpu.add_uint32(wire::GpuStats::encoder_percent, *stats.encoder_percent);
  if (stats.memory_used_bytes) gpu.add_uint64(wire::GpuStats::memory_used_bytes, *stats.memory_used_bytes);
  if (stats.memory_bytes) gpu.add_uint64(wire::GpuStats::memory_bytes, *stats.memory_bytes);
  if (stats.celsius) gpu.add_uint32(wire::GpuStats::celsius, *stats.celsius);
}

} // namespace

std::string hello_message(const HelloFacts &facts) {
  std::string inner;
  pbf_builder<wire::Hello> hello(inner);
  add_uint(hello, wire::Hello::protocol_version, protocol_version);
  add_text(hello, wire::Hello::worker, facts.worker);
  add_text(hello, wire::Hello::token, facts.token);
  add_text(hello, wire::Hello::runtime, "deepstream");
  for (const auto &capability : facts.capabilities) hello.add_string(wire::Hello::capabilities, capability);
  add_uint(hello, wire::Hello::pid, facts.pid);
  return wrapped(wire::WorkerMessage::hello, inner);
}

std::string status_message(const std::string &camera, std::uint32_t epoch, const SourceStatusFacts &facts) {
  std::string inner;
  pbf_builder<wire::SourceStatus> status(inner);
  add_text(status, wire::SourceStatus::camera, camera);
  add_uint(status, wire::SourceStatus::epoch, epoch);
  status.add_enum(wire::SourceStatus::state, static_cast<int>(facts.state));
  add_text(status, wire::SourceStatus::reason, facts.reason);
  add_text(status, wire::SourceStatus::code, facts.code);
  add_text(status, wire::SourceStatus::codec, facts.codec);
  add_uint(status, wire::SourceStatus::width, facts.width);
  add_uint(status, wire::SourceStatus::height, facts.height);
  add_text(status, wire::SourceStatus::decode, facts.decode);
  add_uint(status, wire::SourceStatus::retry_in_ms, facts.retry_in_ms);
  add_double(status, wire::SourceStatus::fps, facts.fps);
  for (const auto &code : facts.other_codes) status.add_string(wire::SourceStatus::other_codes, code);
  return wrapped(wire::WorkerMessage::status, inner);
}

std::string stats_message(const StatsFacts &facts) {
  std::string inner;
  pbf_builder<wire::WorkerStats> stats(inner);
  for (const auto &camera : facts.cameras) add_camera(stats, camera);
  for (const auto &counts : facts.models) {
    pbf_builder<wire::ModelStats> model(stats, wire::WorkerStats::models);
    add_text(model, wire::ModelStats::model, counts.model);
    add_uint64(model, wire::ModelStats::requests, counts.requests);
    add_uint64(model, wire::ModelStats::failures, counts.failures);
    add_text(model, wire::ModelStats::failing, counts.failing);
  }
  add_uint64(stats, wire::WorkerStats::rss_bytes, facts.rss_bytes);
  add_double(stats, wire::WorkerStats::cpu_seconds, facts.cpu_seconds);
  if (facts.gpu) add_gpu(stats, *facts.gpu);
  return wrapped(wire::WorkerMessage::stats, inner);
}

std::string log_message(const char *level, const std::string &message, const std::string &fields_json) {
  std::string inner;
  pbf_builder<wire::LogLine> line(inner);
  add_text(line, wire::LogLine::level, level);
  add_text(line, wire::LogLine::message, message);
  add_text(line, wire::LogLine::fields_json, fields_json);
  return wrapped(wire::WorkerMessage::log, inner);
}

std::string pong_message(std::uint64_t id) {
  std::string inner;
  pbf_builder<wire::Pong> pong(inner);
  add_uint64(pong, wire::Pong::id, id);
  return wrapped(wire::WorkerMessage::pong, inner);
}

std::string drained_message() {
  return wrapped(wire::WorkerMessage::drained, "");
}

std::string epoch_request_message(const std::string &camera) {
  std::string inner;
  pbf_builder<wire::EpochRequest> request(inner);
  add_text(request, wire::EpochRequest::camera, camera);
  return wrapped(wire::WorkerMessage::epoch_request, inner);
}

std::string frame_body(const FrameRecord &record, const std::string &camera) {
  std::string body;
  pbf_builder<wire::Frame> frame(body);
  add_text(frame, wire::Frame::camera, camera);
  add_uint64(frame, wire::Frame::sequence, record.sequence);
  add_int64(frame, wire::Frame::pts, record.pts);
  add_uint(frame, wire::Frame::time_base_num, 1);
  add_uint(frame, wire::Frame::time_base_den, 1'000'000'000);
  add_uint64(frame, wire::Frame::received_mono_us, static_cast<std::uint64_t>(record.received_mono_us));
  add_int64(frame, wire::Frame::camera_time_us, record.camera_time_us);
  const auto source = record.rtcp ? wire::CameraTimeSource::rtcp : wire::CameraTimeSource::arrival;
  frame.add_enum(wire::Frame::camera_time_source, static_cast<int>(source));
  add_uint(frame, wire::Frame::width, record.width);
  add_uint(frame, wire::Frame::height, record.height);
  add_bool(frame, wire::Frame::predicted, record.predicted);
  for (const auto &object : record.objects) add_object(frame, object);
  add_uint64(frame, wire::Frame::decoded_mono_us, static_cast<std::uint64_t>(record.decoded_mono_us));
  add_uint64(frame, wire::Frame::detected_mono_us, static_cast<std::uint64_t>(record.detected_mono_us));
  if (!record.ended_tracks.empty())
    frame.add_packed_uint32(wire::Frame::ended_tracks, record.ended_tracks.begin(), record.ended_tracks.end());
  add_bool(frame, wire::Frame::live, record.live);
  return body;
}

std::string frames_message(const std::vector<LeavingFrame> &frames, std::int64_t sent_mono_us) {
  std::string inner;
  pbf_builder<wire::FrameBatch> batch(inner);
  for (const auto &frame : frames) {
    // Fields of a message may come in any order, and one message behind the other is both in one.
    std::string more;
    pbf_builder<wire::Frame> late(more);
    add_uint(late, wire::Frame::epoch, frame.epoch);
    add_uint64(late, wire::Frame::sent_mono_us, static_cast<std::uint64_t>(sent_mono_us));
    batch.add_bytes_vectored(wire::FrameBatch::frames, frame.body, more);
  }
  return wrapped(wire::WorkerMessage::frames, inner);
}

std::string media_hello_message(const std::string &worker, const std::string &token) {
  std::string inner;
  pbf_builder<wire::MediaHello> hello(inner);
  add_uint(hello, wire::MediaHello::protocol_version, protocol_version);
  add_text(hello, wire::MediaHello::worker, worker);
  add_text(hello, wire::MediaHello::token, token);
  return wrapped(wire::MediaMessage::hello, inner);
}

std::string format_message(const VideoFormat &facts) {
  std::string inner;
  pbf_builder<wire::Format> format(inner);
  add_text(format, wire::Format::camera, facts.camera);
  add_uint(format, wire::Format::epoch, facts.epoch);
  format.add_enum(wire::Format::variant, static_cast<int>(facts.variant));
  add_text(format, wire::Format::codec, facts.codec);
  add_uint(format, wire::Format::width, facts.width);
  add_uint(format, wire::Format::height, facts.height);
  if (!facts.parameter_sets.empty())
    format.add_bytes(wire::Format::parameter_sets, facts.parameter_sets.data(), facts.parameter_sets.size());
  add_text(format, wire::Format::revision, facts.revision);
  return wrapped(wire::MediaMessage::format, inner);
}

std::string unit_message(const VideoFormat &facts, const ClockedUnit &clocked) {
  std::string inner;
  inner.reserve(clocked.data.size() + 256);
  pbf_builder<wire::Unit> unit(inner);
  add_text(unit, wire::Unit::camera, facts.camera);
  add_uint(unit, wire::Unit::epoch, facts.epoch);
  unit.add_enum(wire::Unit::variant, static_cast<int>(facts.variant));
  add_bool(unit, wire::Unit::key, clocked.key);
  if (clocked.pts != 0) unit.add_sint64(wire::Unit::pts, clocked.pts);
  if (clocked.dts != 0) unit.add_sint64(wire::Unit::dts, clocked.dts);
  add_int64(unit, wire::Unit::capture_time_us, clocked.camera_time_us);
  add_uint64(unit, wire::Unit::received_mono_us, static_cast<std::uint64_t>(clocked.received_mono_us));
  unit.add_bytes(wire::Unit::data, clocked.data);
  return wrapped(wire::MediaMessage::unit, inner);
}

} // namespace sightline::app
