// Properties of an element as a table: the same names, types and defaults as the card's, with nothing per property but its
// value.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include <gst/gst.h>

namespace standin {

/** The specs of a class, in the order of their ids (from 1). */
using PropertyTable = std::vector<GParamSpec *>;

inline GParamFlags property_flags() {
  return static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS);
}
GParamSpec *property_uint(const char *name, guint fallback, guint maximum = G_MAXUINT);
GParamSpec *property_int(const char *name, gint fallback, gint minimum = G_MININT, gint maximum = G_MAXINT);
GParamSpec *property_uint64(const char *name, guint64 fallback);
GParamSpec *property_bool(const char *name, bool fallback);
GParamSpec *property_text(const char *name);
/** An enumeration by values and nicks; `type_name` is that of its GType. */
GParamSpec *property_enum(const char *name, const char *type_name, const std::vector<std::pair<int, const char *>> &values,
                          int fallback);
/** nvbuf-memory-type and cudadec-memtype have the same values. */
GParamSpec *property_memory(const char *name);

void install(GObjectClass *klass, const PropertyTable &table);

class Properties {
public:
  explicit Properties(const PropertyTable &table);
  ~Properties();
  Properties(const Properties &) = delete;
  Properties &operator=(const Properties &) = delete;

  void set(guint id, const GValue *value);
  void get(guint id, GValue *value) const;

  guint uint(guint id) const;
  gint integer(guint id) const;
  guint64 uint64(guint id) const;
  bool flag(guint id) const;
  gint choice(guint id) const;
  std::string text(guint id) const;

private:
  mutable std::mutex mutex_;
  mutable std::vector<GValue> values_;
};

} // namespace standin
