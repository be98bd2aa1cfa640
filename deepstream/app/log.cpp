#include "log.h"

#include <array>
#include <ctime>
#include <unistd.h>

#include "addresses.h"
#include "clocks.h"

namespace sightline::app {
namespace {

using nlohmann::json;

std::string time_text() {
  const auto us = wall_us();
  const std::time_t seconds = us / 1'000'000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 64> text{};
  const auto length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text.data() + length, text.size() - length, ".%03dZ", static_cast<int>(us / 1000 % 1000));
  return text.data();
}

json clean(const json &value) {
  if (value.is_string()) return scrubbed(value.get_ref<const std::string &>());
  if (!value.is_structured()) return value;
  json copy = value;
  for (auto &item : copy) item = clean(item);
  return copy;
}

std::string dumped(const json &value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

} // namespace

void Log::write(LogLevel level, const std::string &message, const json &fields) {
  const std::lock_guard lock(mutex_);
  if (level < least_) return;
  const json clean_fields = fields.is_null() ? json::object() : clean(fields);
  const std::string words = scrubbed(message);
  json line = clean_fields;
  line["time"] = time_text();
  line["level"] = name_of(level);
  line["msg"] = words;
  if (bridge_ && bridge_({level, words, dumped(clean_fields)})) line["bridged"] = true;
  const std::string text = dumped(line) + "\n";
  // One call, so that lines of several threads and of libraries do not mix. Nobody is left to tell where it fails.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
}

void Log::set_level(LogLevel least) {
  const std::lock_guard lock(mutex_);
  least_ = least;
}

void Log::set_bridge(std::function<bool(LogEntry)> bridge) {
  const std::lock_guard lock(mutex_);
  bridge_ = std::move(bridge);
}

} // namespace sightline::app
