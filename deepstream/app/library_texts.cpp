#include "library_texts.h"

#include <atomic>
#include <deque>
#include <gst/gst.h>
#include <mutex>
#include <string>

#include "clocks.h"

namespace sightline::app {
namespace {

constexpr int lines_per_second = 20;
/** A text is not said again for so long; of so many texts that is known. */
constexpr std::int64_t repeat_us = 10'000'000;
constexpr std::size_t known_texts = 32;

/** Lets a few lines through each second, and each text once in a while: a library that fails says the same for every picture.
 */
class Sluice {
public:
  /** How many were left out before this one; -1: this one is left out too. */
  int take(const char *text) {
    if (is_repeated(text)) {
      left_.fetch_add(1);
      return -1;
    }
    const auto second = mono_us() / 1'000'000;
    if (second_.exchange(second) != second) count_ = 0;
    if (count_.fetch_add(1) >= lines_per_second) {
      left_.fetch_add(1);
      return -1;
    }
    return left_.exchange(0);
  }

private:
  struct Known {
    std::string text;
    std::int64_t said_us;
  };

  bool is_repeated(const char *text) {
    const std::lock_guard hold(mutex_);
    const auto now = mono_us();
    for (const auto &known : known_)
      if (known.text == text && now - known.said_us < repeat_us) return true;
    known_.push_back({text, now});
    if (known_.size() > known_texts) known_.pop_front();
    return false;
  }

  std::mutex mutex_;
  std::deque<Known> known_;
  std::atomic<std::int64_t> second_ = 0;
  std::atomic<int> count_ = 0;
  std::atomic<int> left_ = 0;
};

Sluice &sluice() {
  static Sluice one;
  return one;
}

void write(Log &log, LogLevel level, const char *text, const char *from) {
  const int left_out = sluice().take(text == nullptr ? "" : text);
  if (left_out < 0) return;
  nlohmann::json fields{{"from", from == nullptr ? "" : from}};
  if (left_out > 0) fields["leftOut"] = left_out;
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

void take_library_texts(Log &log) {
  // In parentheses the functions, not the macros, which are no C++; a null pointer is the default one.
  (gst_debug_remove_log_function)(nullptr);
  (gst_debug_add_log_function)(on_gstreamer, &log, nullptr);
  g_log_set_writer_func(on_glib, &log, nullptr);
}

} // namespace sightline::app
