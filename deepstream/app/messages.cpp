#include "messages.h"

#include "protozero_checked.h"

#include <protozero/pbf_builder.hpp>
#include <protozero/varint.hpp>

namespace sightline::app {
namespace {

using protozero::pbf_builder;

std::string framed(const std::string &message) {
  std::string whole;
  whole.reserve(message.size() + 5);
  protozero::add_varint_to_buffer(&whole, message.size());
  whole.append(message);
  return whole;
}

/** A WorkerMessage or MediaMessage of one field that is a message. */
template <typename Outer> std::string wrapped(Outer field, const std::string &inner) {
  std::string message;
  pbf_builder<Outer>(message).add_message(field, inner);
  return framed(message);
}

/** proto3 leaves zeros out, and so does this: messages are the same as the daemon's own encoder's. */
template <typename T> void addText(pbf_builder<T> &to, T field, std::string_view text) {
  if (!text.empty()) to.add_string(field, text.data(), text.size());
}
template <typename T> void addUint(pbf_builder<T> &to, T field, std::uint32_t value) {
  if (value != 0) to.add_uint32(field, value);
}
template <typename T> void addUint64(pbf_builder<T> &to, T field, std::uint64_t value) {
  if (value != 0) to.add_uint64(field, value);
}
template <typename T> void addInt64(pbf_builder<T> &to, T field, std::int64_t value) {
  if (value != 0) to.add_int64(field, value);
}
template <typename T> void addFloat(pbf_builder<T> &to, T field, double value) {
  const auto narrow = static_cast<float>(value);
  if (narrow != 0) to.add_float(field, narrow);
}
template <typename T> void addDouble(pbf_builder<T> &to, T field, double value) {
  if (value != 0) to.add_double(field, value);
}
template <typename T> void addBool(pbf_builder<T> &to, T field, bool value) {
  if (value) to.add_bool(field, true);
}

template <typename T> void addRect(pbf_builder<T> &to, T field, const Box &box) {
  pbf_builder<wire::Rect> rect(to, field);
  addFloat(rect, wire::Rect::left, box.left);
  addFloat(rect, wire::Rect::top, box.top);
  addFloat(rect, wire::Rect::width, box.width);
  addFloat(rect, wire::Rect::height, box.height);
}

template <typename T> void addPoints(pbf_builder<T> &to, T field, const std::optional<FivePoints> &points) {
  if (!points) return;
  std::array<float, 10> flat{};
  for (std::size_t i = 0; i < points->size(); i += 1) {
    flat[2 * i] = static_cast<float>((*points)[i].x);
    flat[2 * i + 1] = static_cast<float>((*points)[i].y);
  }
  to.add_packed_float(field, flat.begin(), flat.end());
}

void addCrop(pbf_builder<wire::Object> &to, const SeenCrop &seen, const Quality &measured) {
  pbf_builder<wire::Crop> crop(to, wire::Object::crop);
  crop.add_bytes(wire::Crop::jpeg, seen.jpeg);
  addRect(crop, wire::Crop::rect, seen.rect);
  addUint(crop, wire::Crop::width, static_cast<std::uint32_t>(seen.width));
  addUint(crop, wire::Crop::height, static_cast<std::uint32_t>(seen.height));
  addPoints(crop, wire::Crop::landmarks, seen.landmarks);
  addRect(crop, wire::Crop::box, seen.box);
  pbf_builder<wire::Quality> quality(crop, wire::Crop::quality);
  addFloat(quality, wire::Quality::heightPx, measured.heightPx);
  addFloat(quality, wire::Quality::sharpness, measured.sharpness);
  addFloat(quality, wire::Quality::rollDegrees, measured.rollDegrees);
  addFloat(quality, wire::Quality::yaw, measured.yaw);
  addFloat(quality, wire::Quality::visible, measured.visible);
  addFloat(quality, wire::Quality::score, measured.score);
  addFloat(quality, wire::Quality::overall, measured.overall);
}

void addObject(pbf_builder<wire::Frame> &to, const SeenObject &seen) {
  pbf_builder<wire::Object> object(to, wire::Frame::objects);
  addUint(object, wire::Object::trackId, seen.trackId);
  addText(object, wire::Object::label, seen.label);
  addText(object, wire::Object::model, seen.model);
  addFloat(object, wire::Object::score, seen.score);
  addRect(object, wire::Object::box, seen.box);
  addPoints(object, wire::Object::landmarks, seen.landmarks);
  addUint(object, wire::Object::personTrackId, seen.personTrackId);
  if (seen.crop && seen.crop->quality) addCrop(object, *seen.crop, *seen.crop->quality);
}

void addCamera(pbf_builder<wire::WorkerStats> &to, const CameraCounts &counts) {
  pbf_builder<wire::CameraStats> camera(to, wire::WorkerStats::cameras);
  addText(camera, wire::CameraStats::camera, counts.camera);
  addUint64(camera, wire::CameraStats::framesDecoded, counts.framesDecoded);
  addUint64(camera, wire::CameraStats::framesDetected, counts.framesDetected);
  addUint64(camera, wire::CameraStats::batchesDropped, counts.batchesDropped);
  addUint64(camera, wire::CameraStats::crops, counts.crops);
  addDouble(camera, wire::CameraStats::fps, counts.fps);
  if (counts.units > 0) {
    pbf_builder<wire::StreamStats> stream(camera, wire::CameraStats::stream);
    addUint64(stream, wire::StreamStats::units, counts.units);
    addUint64(stream, wire::StreamStats::bytes, counts.unitBytes);
    addUint64(stream, wire::StreamStats::keyFrames, counts.keyFrames);
    addBool(stream, wire::StreamStats::senderClock, counts.senderClock);
    addBool(stream, wire::StreamStats::live, counts.live);
  }
  addUint64(camera, wire::CameraStats::videoDropped, counts.videoDropped);
  addUint64(camera, wire::CameraStats::annotatedDropped, counts.annotatedDropped);
}

} // namespace

std::string helloMessage(const HelloFacts &facts) {
  std::string inner;
  pbf_builder<wire::Hello> hello(inner);
  addUint(hello, wire::Hello::protocolVersion, protocolVersion);
  addText(hello, wire::Hello::worker, facts.worker);
  addText(hello, wire::Hello::token, facts.token);
  addText(hello, wire::Hello::runtime, "deepstream");
  for (const auto &capability : facts.capabilities) hello.add_string(wire::Hello::capabilities, capability);
  addUint(hello, wire::Hello::pid, facts.pid);
  return wrapped(wire::WorkerMessage::hello, inner);
}

std::string statusMessage(const std::string &camera, std::uint32_t epoch, const SourceStatusFacts &facts) {
  std::string inner;
  pbf_builder<wire::SourceStatus> status(inner);
  addText(status, wire::SourceStatus::camera, camera);
  addUint(status, wire::SourceStatus::epoch, epoch);
  status.add_enum(wire::SourceStatus::state, static_cast<int>(facts.state));
  addText(status, wire::SourceStatus::reason, facts.reason);
  addText(status, wire::SourceStatus::code, facts.code);
  addText(status, wire::SourceStatus::codec, facts.codec);
  addUint(status, wire::SourceStatus::width, facts.width);
  addUint(status, wire::SourceStatus::height, facts.height);
  addText(status, wire::SourceStatus::decode, facts.decode);
  addUint(status, wire::SourceStatus::retryInMs, facts.retryInMs);
  addDouble(status, wire::SourceStatus::fps, facts.fps);
  return wrapped(wire::WorkerMessage::status, inner);
}

std::string statsMessage(const StatsFacts &facts) {
  std::string inner;
  pbf_builder<wire::WorkerStats> stats(inner);
  for (const auto &camera : facts.cameras) addCamera(stats, camera);
  addUint64(stats, wire::WorkerStats::rssBytes, facts.rssBytes);
  addDouble(stats, wire::WorkerStats::cpuSeconds, facts.cpuSeconds);
  return wrapped(wire::WorkerMessage::stats, inner);
}

std::string logMessage(const char *level, const std::string &message, const std::string &fieldsJson) {
  std::string inner;
  pbf_builder<wire::LogLine> line(inner);
  addText(line, wire::LogLine::level, level);
  addText(line, wire::LogLine::message, message);
  addText(line, wire::LogLine::fieldsJson, fieldsJson);
  return wrapped(wire::WorkerMessage::log, inner);
}

std::string pongMessage(std::uint64_t id) {
  std::string inner;
  pbf_builder<wire::Pong> pong(inner);
  addUint64(pong, wire::Pong::id, id);
  return wrapped(wire::WorkerMessage::pong, inner);
}

std::string drainedMessage() {
  return wrapped(wire::WorkerMessage::drained, "");
}

std::string epochRequestMessage(const std::string &camera) {
  std::string inner;
  pbf_builder<wire::EpochRequest> request(inner);
  addText(request, wire::EpochRequest::camera, camera);
  return wrapped(wire::WorkerMessage::epochRequest, inner);
}

std::string frameBody(const FrameRecord &record, const std::string &camera) {
  std::string body;
  pbf_builder<wire::Frame> frame(body);
  addText(frame, wire::Frame::camera, camera);
  addUint64(frame, wire::Frame::sequence, record.sequence);
  addInt64(frame, wire::Frame::pts, record.pts);
  addUint(frame, wire::Frame::timeBaseNum, 1);
  addUint(frame, wire::Frame::timeBaseDen, 1'000'000'000);
  addUint64(frame, wire::Frame::receivedMonoUs, static_cast<std::uint64_t>(record.receivedMonoUs));
  addInt64(frame, wire::Frame::cameraTimeUs, record.cameraTimeUs);
  const auto source = record.rtcp ? wire::CameraTimeSource::rtcp : wire::CameraTimeSource::arrival;
  frame.add_enum(wire::Frame::cameraTimeSource, static_cast<int>(source));
  addUint(frame, wire::Frame::width, record.width);
  addUint(frame, wire::Frame::height, record.height);
  addBool(frame, wire::Frame::predicted, record.predicted);
  for (const auto &object : record.objects) addObject(frame, object);
  addUint64(frame, wire::Frame::decodedMonoUs, static_cast<std::uint64_t>(record.decodedMonoUs));
  addUint64(frame, wire::Frame::detectedMonoUs, static_cast<std::uint64_t>(record.detectedMonoUs));
  if (!record.endedTracks.empty())
    frame.add_packed_uint32(wire::Frame::endedTracks, record.endedTracks.begin(), record.endedTracks.end());
  addBool(frame, wire::Frame::live, record.live);
  return body;
}

std::string framesMessage(const std::vector<LeavingFrame> &frames, std::int64_t sentMonoUs) {
  std::string inner;
  pbf_builder<wire::FrameBatch> batch(inner);
  for (const auto &frame : frames) {
    // Fields of a message may come in any order, and one message behind the other is both in one.
    std::string whole(frame.body);
    pbf_builder<wire::Frame> more(whole);
    addUint(more, wire::Frame::epoch, frame.epoch);
    addUint64(more, wire::Frame::sentMonoUs, static_cast<std::uint64_t>(sentMonoUs));
    batch.add_message(wire::FrameBatch::frames, whole);
  }
  return wrapped(wire::WorkerMessage::frames, inner);
}

std::string mediaHelloMessage(const std::string &worker, const std::string &token) {
  std::string inner;
  pbf_builder<wire::MediaHello> hello(inner);
  addUint(hello, wire::MediaHello::protocolVersion, protocolVersion);
  addText(hello, wire::MediaHello::worker, worker);
  addText(hello, wire::MediaHello::token, token);
  return wrapped(wire::MediaMessage::hello, inner);
}

std::string formatMessage(const VideoFormat &facts) {
  std::string inner;
  pbf_builder<wire::Format> format(inner);
  addText(format, wire::Format::camera, facts.camera);
  addUint(format, wire::Format::epoch, facts.epoch);
  format.add_enum(wire::Format::variant, static_cast<int>(facts.variant));
  addText(format, wire::Format::codec, facts.codec);
  addUint(format, wire::Format::width, facts.width);
  addUint(format, wire::Format::height, facts.height);
  if (!facts.parameterSets.empty())
    format.add_bytes(wire::Format::parameterSets, facts.parameterSets.data(), facts.parameterSets.size());
  addText(format, wire::Format::revision, facts.revision);
  return wrapped(wire::MediaMessage::format, inner);
}

std::string unitMessage(const VideoFormat &facts, const ClockedUnit &clocked) {
  std::string inner;
  inner.reserve(clocked.data.size() + 256);
  pbf_builder<wire::Unit> unit(inner);
  addText(unit, wire::Unit::camera, facts.camera);
  addUint(unit, wire::Unit::epoch, facts.epoch);
  unit.add_enum(wire::Unit::variant, static_cast<int>(facts.variant));
  addBool(unit, wire::Unit::key, clocked.key);
  if (clocked.pts != 0) unit.add_sint64(wire::Unit::pts, clocked.pts);
  if (clocked.dts != 0) unit.add_sint64(wire::Unit::dts, clocked.dts);
  addInt64(unit, wire::Unit::captureTimeUs, clocked.cameraTimeUs);
  addUint64(unit, wire::Unit::receivedMonoUs, static_cast<std::uint64_t>(clocked.receivedMonoUs));
  unit.add_bytes(wire::Unit::data, clocked.data);
  return wrapped(wire::MediaMessage::unit, inner);
}

} // namespace sightline::app
