#include "library_texts.h"

#include <algorithm>
#include <gst/gst.h>
#include <mutex>
#include <utility>

#include "clocks.h"

namespace sightline::app {
namespace {

/** A text is not said again for so long; of so many texts that is known. */
constexpr std::int64_t repeat_us = 10'000'000;
constexpr std::size_t known_texts = 32;

struct Gate {
  std::mutex mutex;
  TextSluice sluice;
};

Gate &gate() {
  static Gate one;
  return one;
}

void write(Log &log, LogLevel level, const char *text, const char *from) {
  std::optional<std::uint64_t> left_out;
  {
    const std::lock_guard hold(gate().mutex);
    left_out = gate().sluice.take(text == nullptr ? "" : text, mono_us());
  }
  if (!left_out) return;
  nlohmann::json fields{{"from", from == nullptr ? "" : from}};
  if (*left_out > 0) fields["leftOut"] = *left_out;
  log.write(level, text == nullptr ? "" : text, fields);
}

void on_gstreamer(GstDebugCategory *category, GstDebugLevel level, const gchar *, const gchar *, gint, GObject *,
                  GstDebugMessage *message, gpointer log) {
  // What stops a pipeline is an error message on its bus; this is what elements say besides.
  const auto as = level <= GST_LEVEL_WARNING ? LogLevel::warn : LogLevel::debug;
  write(*static_cast<Log *>(log), as, gst_debug_message_get(message), gst_debug_category_get_name(category));
}

GLogWriterOutput on_glib(GLogLevelFlags level, const GLogField *fields, gsize count, gpointer log) {
  const char *text = nullptr;
  const char *domain = nullptr;
  for (gsize i = 0; i < count; i += 1) {
    if (g_strcmp0(fields[i].key, "MESSAGE") == 0) text = static_cast<const char *>(fields[i].value);
    if (g_strcmp0(fields[i].key, "GLIB_DOMAIN") == 0) domain = static_cast<const char *>(fields[i].value);
  }
  // As GLib's own writer: what is for developers is left out.
  const bool bad = (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING)) != 0;
  if (bad) write(*static_cast<Log *>(log), LogLevel::warn, text, domain);
  return G_LOG_WRITER_HANDLED;
}

} // namespace

std::optional<std::uint64_t> TextSluice::take(const std::string &text, std::int64_t now_us) {
  const auto second = now_us / 1'000'000;
  if (second != second_) count_ = 0;
  second_ = second;
  const bool repeated = std::any_of(known_.begin(), known_.end(), [&](const Known &known) {
    return known.text == text && now_us - known.said_us < repeat_us;
  });
  if (repeated || count_ == lines_per_second) {
    left_ += 1;
    return std::nullopt;
  }
  count_ += 1;
  known_.push_back({text, now_us});
  if (known_.size() > known_texts) known_.pop_front();
  return std::exchange(left_, 0);
}

void take_library_texts(Log &log) {
  // In parentheses the functions, not the macros, which are no C++; a null pointer is the default one.
  (gst_debug_remove_log_function)(nullptr);
  (gst_debug_add_log_function)(on_gstreamer, &log, nullptr);
  g_log_set_writer_func(on_glib, &log, nullptr);
}

void say_left_out(Log &log) {
  const std::lock_guard hold(gate().mutex);
  if (const auto left_out = gate().sluice.take_left_out())
    log.info("lines of libraries were left out, repeated or too many", {{"leftOut", left_out}});
}

} // namespace sightline::app
