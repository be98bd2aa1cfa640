#include "addresses.h"

#include <algorithm>
#include <cctype>
#include <gst/gst.h>
#include <stdexcept>

#include "holders.h"

namespace sightline::app {
namespace {

constexpr std::string_view rtsp = "rtsp://";

std::string percent_decoded(const std::string &text) {
  std::string decoded;
  for (std::size_t at = 0; at < text.size(); at += 1) {
    if (text[at] == '%' && at + 2 < text.size() && std::isxdigit(static_cast<unsigned char>(text[at + 1])) &&
        std::isxdigit(static_cast<unsigned char>(text[at + 2]))) {
      decoded += static_cast<char>(std::stoi(text.substr(at + 1, 2), nullptr, 16));
      at += 2;
    } else {
      decoded += text[at];
    }
  }
  return decoded;
}

bool is_space(char c) {
  return std::isspace(static_cast<unsigned char>(c)) != 0;
}
bool is_scheme_part(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '+' || c == '.' || c == '-';
}

} // namespace

SourceAddress parse_address(const std::string &given) {
  std::string source = given;
  const auto scheme_at = source.empty() || source.front() == '/' ? std::string::npos : source.find("://");
  // nvurisrcbin knows the scheme in small letters alone.
  for (std::size_t at = 0; scheme_at != std::string::npos && at < scheme_at; at += 1)
    source[at] = static_cast<char>(std::tolower(static_cast<unsigned char>(source[at])));
  if (source.compare(0, rtsp.size(), rtsp) == 0) {
    // As Node's URL and RFC 3986 have it: what stands before the last @ of the part up to the path.
    const auto path_at = source.find_first_of("/?#", rtsp.size());
    const auto authority = source.substr(rtsp.size(), path_at == std::string::npos ? path_at : path_at - rtsp.size());
    const auto rest = path_at == std::string::npos ? "" : source.substr(path_at);
    const auto at = authority.rfind('@');
    if (at == std::string::npos) return {source, "", "", true};
    const auto account = authority.substr(0, at);
    const auto colon = account.find(':');
    return {std::string(rtsp) + authority.substr(at + 1) + rest, percent_decoded(account.substr(0, colon)),
            colon == std::string::npos ? "" : percent_decoded(account.substr(colon + 1)), true};
  }
  if (scheme_at != std::string::npos && source.compare(0, 7, "file://") != 0) {
    const auto scheme = source.substr(0, scheme_at);
    // What is no scheme may be an account.
    const bool named = scheme.size() <= 16 && std::all_of(scheme.begin(), scheme.end(), is_scheme_part);
    throw std::invalid_argument("sources of " + (named ? scheme + "://" : "this kind") +
                                " are not for this worker; rtsp:// and files are");
  }
  if (scheme_at != std::string::npos) return {source, "", "", false};
  if (source.empty() || source.front() != '/') throw std::invalid_argument("a file's path must be absolute");
  GError *problem = nullptr;
  const Text uri(gst_filename_to_uri(source.c_str(), &problem));
  const ErrorRef error(problem);
  if (uri == nullptr) throw std::invalid_argument("a file's path cannot be written as an address");
  return {uri.get(), "", "", false};
}

std::string scrubbed(std::string_view text) {
  std::string clean;
  std::size_t at = 0;
  while (at < text.size()) {
    const auto found = text.find("://", at);
    if (found == std::string_view::npos) break;
    std::size_t scheme = found;
    while (scheme > at && is_scheme_part(text[scheme - 1])) scheme -= 1;
    std::size_t blank = found + 3;
    while (blank < text.size() && !is_space(text[blank])) blank += 1;
    // A password may hold any character but a blank; behind it a quote ends the address.
    const auto account = text.substr(found + 3, blank - found - 3).rfind('@');
    const std::size_t begin = account == std::string_view::npos ? found + 3 : found + 3 + account + 1;
    const std::size_t end = std::min(blank, text.find_first_of("\"'", begin));
    const auto host = text.substr(begin, end - begin);
    clean.append(text.substr(at, found + 3 - at));
    clean.append(host.substr(0, host.find_first_of("/?#")));
    at = end;
  }
  clean.append(text.substr(at));
  return clean;
}

} // namespace sightline::app
