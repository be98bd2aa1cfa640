#include "bus_text.h"

#include "addresses.h"
#include "holders.h"

namespace sightline::app {

std::string bus_text(GstMessage *message) {
  GError *error = nullptr;
  gchar *debug = nullptr;
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR)
    gst_message_parse_error(message, &error, &debug);
  else
    gst_message_parse_warning(message, &error, &debug);
  const ErrorRef owned(error);
  const Text owned_debug(debug);
  std::string text = error == nullptr ? "" : error->message;
  if (debug != nullptr) text += std::string(" (") + debug + ")";
  for (char &c : text)
    if (c == '\n' || c == '\r') c = ' ';
  return scrubbed(text);
}

std::string short_text(const std::string &text) {
  const auto debug = text.find(" (");
  return debug == std::string::npos || debug == 0 ? text : text.substr(0, debug);
}

std::string words_of(const std::string &text) {
  std::string sentence = short_text(text);
  // SENTENCE (FILE(LINE): FUNCTION (): /PATH:ELEMENT: OWN)
  const auto path = text.find("(): /", sentence.size());
  const auto own = path == std::string::npos ? path : text.find(": ", path + 4);
  if (own == std::string::npos) return sentence;
  std::string more = text.substr(own + 2);
  if (!more.empty() && more.back() == ')') more.pop_back();
  if (more.empty()) return sentence;
  if (sentence.back() == '.') sentence.pop_back();
  // "Unauthorized" and "Unauthorized (401)": once is enough.
  return more.rfind(sentence, 0) == 0 ? more : sentence + ": " + more;
}

} // namespace sightline::app
