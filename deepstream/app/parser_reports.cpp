#include "parser_reports.h"

#include "functions.h"

namespace sightline::app {
namespace {

SightlineParserReportFunc report_function() {
  // Only where an element has it already: one of our own would have met nothing.
  void *library = dlopen("libbridge_infer.so", RTLD_LAZY | RTLD_NOLOAD);
  if (library == nullptr) return nullptr;
  SightlineParserReportFunc function = nullptr;
  find_function(library, "SightlineParserReportOf", function);
  dlclose(library);
  return function;
}

} // namespace

std::optional<SightlineParserReport> parser_report(const DetectorSettings &detector) {
  const auto function = report_function();
  SightlineParserReport report{};
  if (function == nullptr || !function(static_cast<unsigned>(detector.unique_id), &report)) return std::nullopt;
  return report;
}

} // namespace sightline::app
