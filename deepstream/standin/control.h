// Faults that the outside world cannot cause, told by the JSON file that SIGHTLINE_STANDIN names (README.md lists the keys).
// The file is looked at again whenever it changed; who writes it puts a whole one in its place (rename). Nothing in it: nothing
// goes wrong.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace standin {

/** By JSON pointer, as "/crops/refuse". A pointer that is not in the table of known keys ends the process. */
bool control_flag(const std::string &pointer);
std::optional<int64_t> control_number(const std::string &pointer);
std::optional<std::string> control_text(const std::string &pointer);

/** A key of /sources/ID, or of the source named "*" where that source has none of its own. */
bool source_flag(uint32_t source, const std::string &key);
std::optional<int64_t> source_number(uint32_t source, const std::string &key);

} // namespace standin
