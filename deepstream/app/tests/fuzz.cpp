/** Whatever comes from outside: it is read, or refused by an exception in words; nothing else happens. */

#include "protozero_checked.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <mutations.h>
#include <protozero/pbf_builder.hpp>
#include <protozero/varint.hpp>

#include "addresses.h"
#include "commands.h"
#include "input_bands.h"
#include "messages.h"
#include "nal_units.h"
#include "settings.h"
#include "wire.h"

using namespace sightline::app;
using namespace std::string_literals;
using protozero::pbf_builder;

namespace {

std::string camera(const std::string &name) {
  std::string bytes;
  pbf_builder<wire::CameraConfig> config(bytes);
  config.add_string(wire::CameraConfig::camera, name);
  config.add_string(wire::CameraConfig::source, "rtsp://operator:secret@camera.example:554/h264");
  config.add_string(wire::CameraConfig::transport, "udp");
  config.add_bool(wire::CameraConfig::realtime, true);
  {
    pbf_builder<wire::Detect> detect(config, wire::CameraConfig::detect);
    detect.add_string(wire::Detect::model, "centerface");
    detect.add_double(wire::Detect::fps, 5);
    detect.add_double(wire::Detect::min_score, 0.5);
    detect.add_string(wire::Detect::classes, "face");
    detect.add_double(wire::Detect::min_size, 20);
  }
  {
    pbf_builder<wire::CropPolicy> crops(config, wire::CameraConfig::crops);
    crops.add_bool(wire::CropPolicy::faces, true);
    crops.add_double(wire::CropPolicy::min_face_height, 20);
    crops.add_uint32(wire::CropPolicy::refresh_ms, 2000);
    crops.add_double(wire::CropPolicy::better_by, 0.15);
    crops.add_uint32(wire::CropPolicy::jpeg_quality, 90);
    crops.add_uint32(wire::CropPolicy::max_side, 512);
  }
  {
    pbf_builder<wire::Polygon> mask(config, wire::CameraConfig::masks);
    const std::vector<double> points{0.1, 0.1, 0.4, 0.1, 0.4, 0.5};
    mask.add_packed_double(wire::Polygon::points, points.begin(), points.end());
  }
  config.add_uint32(wire::CameraConfig::open_timeout_ms, 10'000);
  config.add_uint32(wire::CameraConfig::silence_timeout_ms, 10'000);
  config.add_string(wire::CameraConfig::revision, "r1");
  return bytes;
}

template <typename Fill> std::string message(wire::DaemonMessage kind, Fill fill) {
  std::string inner;
  fill(inner);
  std::string bytes;
  pbf_builder<wire::DaemonMessage>(bytes).add_message(kind, inner);
  return bytes;
}

std::vector<std::string> daemon_messages() {
  std::string configure;
  for (const auto *name : {"lobby", "gate"})
    pbf_builder<wire::Configure>(configure).add_message(wire::Configure::cameras, camera(name));
  return {
      message(wire::DaemonMessage::welcome,
              [&](std::string &into) {
                pbf_builder<wire::Welcome> welcome(into);
                welcome.add_uint32(wire::Welcome::protocol_version, 1);
                welcome.add_message(wire::Welcome::configure, configure);
              }),
      message(wire::DaemonMessage::configure, [&](std::string &into) { into = configure; }),
      message(wire::DaemonMessage::labels,
              [](std::string &into) {
                pbf_builder<wire::Labels> labels(into);
                labels.add_string(wire::Labels::camera, "lobby");
                labels.add_uint32(wire::Labels::epoch, 7);
                pbf_builder<wire::Label> label(labels, wire::Labels::labels);
                label.add_uint32(wire::Label::track_id, 3);
                label.add_bool(wire::Label::decided, true);
                label.add_string(wire::Label::text, "Zo\u00eb");
                label.add_string(wire::Label::colour, "#00ff7f");
                label.add_float(wire::Label::score, 0.75F);
              }),
      message(wire::DaemonMessage::want_video,
              [](std::string &into) {
                pbf_builder<wire::WantVideo> want(into);
                want.add_string(wire::WantVideo::camera, "lobby");
                want.add_bool(wire::WantVideo::annotated, true);
              }),
      message(wire::DaemonMessage::ping,
              [](std::string &into) { pbf_builder<wire::Ping>(into).add_uint64(wire::Ping::id, 300); }),
      message(wire::DaemonMessage::drain, [](std::string &) {}),
      message(wire::DaemonMessage::epoch,
              [](std::string &into) {
                pbf_builder<wire::Epoch> epoch(into);
                epoch.add_string(wire::Epoch::camera, "lobby");
                epoch.add_uint32(wire::Epoch::epoch, 7);
              }),
  };
}

std::string framed(const std::string &bytes) {
  std::string whole;
  protozero::add_varint_to_buffer(&whole, bytes.size());
  return whole + bytes;
}

/** What is read of a stream that comes in pieces, up to where it cannot be read. */
std::vector<std::string> cut(const std::string &stream, fuzz::Random &random) {
  MessageSplitter splitter;
  std::vector<std::string> messages;
  try {
    for (std::size_t at = 0; at < stream.size();) {
      const auto some = 1 + random.below(random.once_in(2) ? 4 : 4096);
      splitter.push(std::string_view(stream).substr(at, some));
      at += some;
      for (std::string_view bytes; splitter.next(bytes);) messages.emplace_back(bytes);
    }
  } catch (const std::length_error &) {
  }
  return messages;
}

std::string example_settings() {
  std::ifstream file(FIXTURES "/deepstream/faces-and-people/container.json");
  return {std::istreambuf_iterator<char>(file), {}};
}

bool can_be_masked(const Configure &configure) {
  const auto inside = [](const Point &corner) { return corner.x >= 0 && corner.x <= 1 && corner.y >= 0 && corner.y <= 1; };
  for (const auto &camera : configure.cameras)
    for (const auto &mask : camera.masks)
      if (mask.size() < 3 || !std::all_of(mask.begin(), mask.end(), inside)) return false;
  return true;
}

} // namespace

TEST_CASE("whatever the daemon says is read or refused") {
  fuzz::Random random;
  const auto corpus = daemon_messages();
  for (const auto &bytes : corpus) CHECK_NOTHROW(read_command(bytes));
  const std::vector<std::string> words{"lobby", "\x0a\x00"s, "\x12\x01\xff"s, "\xf8\xff\xff\xff\x0f"s,
                                       std::string(300, '\x0a')};
  for (auto left = fuzz::rounds(15'000); left > 0; left -= 1) {
    const auto bytes = fuzz::mutated(random.of(corpus), corpus, words, random);
    try {
      const auto command = read_command(bytes);
      if (const auto *configure = std::get_if<Configure>(&command)) CHECK(can_be_masked(*configure));
    } catch (const std::exception &error) {
      CHECK(!std::string(error.what()).empty());
    }
  }
}

TEST_CASE("a stream is the same messages in whatever pieces it comes, also where it is broken") {
  fuzz::Random random;
  const auto corpus = daemon_messages();
  for (auto left = fuzz::rounds(1000); left > 0; left -= 1) {
    std::string stream;
    for (std::size_t count = random.below(20); count > 0; count -= 1) stream += framed(random.of(corpus));
    if (random.once_in(2)) stream = fuzz::mutated(stream, corpus, {"\x00"s}, random);
    const auto messages = cut(stream, random);
    CHECK(messages == cut(stream, random));
  }
}

TEST_CASE("a message of countless parts is refused") {
  // Each part takes more memory than it has bytes.
  std::string labels;
  for (int i = 0; i < 100'000; i += 1) pbf_builder<wire::Labels>(labels).add_message(wire::Labels::labels, ""s);
  CHECK_THROWS_AS(read_command(message(wire::DaemonMessage::labels, [&](std::string &into) { into = labels; })),
                  std::length_error);
  std::string configure;
  for (int i = 0; i < 100'000; i += 1) pbf_builder<wire::Configure>(configure).add_message(wire::Configure::cameras, ""s);
  CHECK_THROWS_AS(read_command(message(wire::DaemonMessage::configure, [&](std::string &into) { into = configure; })),
                  std::length_error);
}

TEST_CASE("whatever container.json is, it is read or refused in words") {
  fuzz::Random random;
  const std::vector<std::string> corpus{example_settings()};
  CHECK_NOTHROW(parse_settings(corpus[0], "container.json"));
  const std::vector<std::string> words{"null",       "-1",   "1e999", "\"\\u0000\"", "[[[[", "{\"a\":", "\"worker\"",
                                       "4294967296", "\xff", "1e-9",  "{}",          "[]",   "\\ud83d"};
  for (auto left = fuzz::rounds(1500); left > 0; left -= 1) {
    const auto text = fuzz::mutated(corpus[0], corpus, words, random);
    try {
      parse_settings(text, "container.json");
    } catch (const SettingsError &error) {
      CHECK(std::string(error.what()).rfind("container.json: ", 0) == 0);
    }
  }
}

TEST_CASE("settings of countless levels are refused") {
  for (const char *open : {"[", "{\"mux\":"}) {
    std::string deep;
    while (deep.size() < 700'000) deep += open;
    CHECK_THROWS_AS(parse_settings(deep, "container.json"), SettingsError);
    CHECK_THROWS_AS(parse_settings("{\"mux\":" + deep, "container.json"), SettingsError);
  }
  const std::string closed = std::string(300'000, '[') + std::string(300'000, ']');
  CHECK_THROWS_AS(parse_settings("{\"mux\":" + closed + "}", "container.json"), SettingsError);
}

TEST_CASE("no account gets out of an address") {
  fuzz::Random random;
  const std::string characters = "abcXYZ0189'\"!$&()*+,;=:@%_-.~[]{}|\\^`<>";
  for (auto left = fuzz::rounds(3000); left > 0; left -= 1) {
    std::string password = "K";
    for (std::size_t length = 3 + random.below(12); length > 0; length -= 1)
      password += characters[random.below(characters.size())];
    password += "K";
    const std::string source = "rtsp://operator:" + password + "@camera.example:554/stream?profile=1";
    INFO(source);
    const auto address = parse_address(source);
    CHECK(address.uri == "rtsp://camera.example:554/stream?profile=1");
    CHECK(address.live);
    for (const auto &text :
         {source, "could not open \"" + source + "\" for reading", "(" + source + ")", "at " + source + "\n"}) {
      const auto clean = scrubbed(text);
      CHECK(clean.find("operator") == std::string::npos);
      CHECK(clean.find(password.substr(1, password.size() - 2)) == std::string::npos);
      CHECK(clean.find("rtsp://camera.example:554") != std::string::npos);
    }
  }
}

TEST_CASE("whatever an address is, it is read or refused, and scrubbing ends") {
  fuzz::Random random;
  const std::vector<std::string> corpus{"rtsp://operator:pa%20ss@camera.example:554/h264?a=b#c", "/films/a film.mp4",
                                        "file:///films/a.mp4", "rtsp://[::1]:8554/x", "see rtsp://a:b@c/d and http://e:f@g/h"};
  const std::vector<std::string> words{"://", "@", "%", "%zz", "%00", "rtsp://", " ", "\n", "/"};
  for (auto left = fuzz::rounds(10'000); left > 0; left -= 1) {
    const auto text = fuzz::mutated(random.of(corpus), corpus, words, random);
    scrubbed(text);
    try {
      parse_address(text);
    } catch (const std::invalid_argument &error) {
      CHECK(std::string(error.what()).find("pa%20") == std::string::npos);
    }
  }
}

TEST_CASE("whatever a camera sends, its units are cut within their bytes") {
  fuzz::Random random;
  const std::string sps = "\x67\x64\x00\x1f"s;
  const std::string pps = "\x68\xee\x3c\x80"s;
  const std::vector<std::string> corpus{
      "\x01\x64\x00\x1f\xff\xe1\x00\x04"s + sps + "\x01\x00\x04"s + pps,
      "\x01"s + std::string(20, '\0') +
          "\x03\x03\x20\x00\x01\x00\x03\x40\x01\x0c\x21\x00\x01\x00\x02\x42\x01\x22\x00\x01\x00\x02\x44\x01"s,
      "\0\0\0\1"s + sps + "\0\0\1"s + pps + "\0\0\1\x65\x88\x84"s, "\x00\x00\x00\x04"s + sps + "\x00\x00\x00\x02\x65\x88"s};
  const std::vector<std::string> words{"\0\0\1"s, "\0\0\0\1"s, "\xff\xff"s, "\x67"s};
  for (auto left = fuzz::rounds(10'000); left > 0; left -= 1) {
    const auto bytes = fuzz::mutated(random.of(corpus), corpus, words, random);
    for (const auto coding : {Coding::h264, Coding::h265}) {
      const auto read = read_configuration(bytes, coding);
      // Start codes are longer than the lengths whose place they take.
      if (read) CHECK(read->parameter_sets.size() <= 3 * bytes.size());
      CHECK(parameter_sets_of(bytes, coding).size() <= 2 * bytes.size());
    }
    for (unsigned length = 0; length <= 4; length += 1) to_annex_b(bytes, length);
  }
}

TEST_CASE("whatever nvinferserver's file is, its bands are read") {
  fuzz::Random random;
  const std::vector<std::string> corpus{"preprocess {\n  maintain_aspect_ratio: 1\n  symmetric_padding: true\n}"};
  for (auto left = fuzz::rounds(3000); left > 0; left -= 1)
    input_bands(fuzz::mutated(corpus[0], corpus, {"maintain_aspect_ratio", ":", "1", "{"}, random));
  // A field may stand far from its value.
  const std::string far(200'000, ' ');
  CHECK(input_bands("maintain_aspect_ratio" + far + ":" + far + "1") == Letterbox::Bands::right_and_bottom);
  CHECK(input_bands("maintain_aspect_ratio: 10") == Letterbox::Bands::none);
  CHECK(input_bands("not_maintain_aspect_ratio: 1") == Letterbox::Bands::none);
  CHECK(input_bands("maintain_aspect_ratio: false symmetric_padding: 1") == Letterbox::Bands::none);
}
