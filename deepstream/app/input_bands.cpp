#include "input_bands.h"

namespace sightline::app {
namespace {

constexpr const char *blanks = " \t\r\n";
constexpr const char *ends_of_value = " \t\r\n,;}#";

/** The rest of the text from what is no blank on. */
std::string_view after_blanks(std::string_view text) {
  const auto at = text.find_first_not_of(blanks);
  return at == std::string_view::npos ? std::string_view() : text.substr(at);
}

/** Whether the field stands somewhere, as a whole name, with 1 or true. */
bool is_set(std::string_view config, std::string_view field) {
  for (auto at = config.find(field); at != std::string_view::npos; at = config.find(field, at + 1)) {
    if (at > 0 && (std::string_view(blanks).find(config[at - 1]) == std::string_view::npos && config[at - 1] != '{')) continue;
    const auto colon = after_blanks(config.substr(at + field.size()));
    if (colon.empty() || colon.front() != ':') continue;
    const auto rest = after_blanks(colon.substr(1));
    const auto value = rest.substr(0, rest.find_first_of(ends_of_value));
    if (value == "1" || value == "true") return true;
  }
  return false;
}

} // namespace

Letterbox::Bands input_bands(std::string_view config) {
  if (!is_set(config, "maintain_aspect_ratio")) return Letterbox::Bands::none;
  return is_set(config, "symmetric_padding") ? Letterbox::Bands::centred : Letterbox::Bands::right_and_bottom;
}

} // namespace sightline::app
