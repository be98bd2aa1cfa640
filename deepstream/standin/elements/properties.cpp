#include "properties.h"

namespace standin {

GParamSpec *property_uint(const char *name, guint fallback, guint maximum) {
  return g_param_spec_uint(name, name, name, 0, maximum, fallback, property_flags());
}
GParamSpec *property_int(const char *name, gint fallback, gint minimum, gint maximum) {
  return g_param_spec_int(name, name, name, minimum, maximum, fallback, property_flags());
}
GParamSpec *property_uint64(const char *name, guint64 fallback) {
  return g_param_spec_uint64(name, name, name, 0, G_MAXUINT64, fallback, property_flags());
}
GParamSpec *property_bool(const char *name, bool fallback) {
  return g_param_spec_boolean(name, name, name, fallback ? TRUE : FALSE, property_flags());
}
GParamSpec *property_text(const char *name) {
  return g_param_spec_string(name, name, name, nullptr, property_flags());
}

GParamSpec *property_enum(const char *name, const char *type_name, const std::vector<std::pair<int, const char *>> &values,
                          int fallback) {
  GType type = g_type_from_name(type_name);
  if (type == 0) {
    // GLib keeps the table for the life of the process.
    auto *table = g_new0(GEnumValue, values.size() + 1);
    for (size_t i = 0; i < values.size(); ++i) table[i] = {values[i].first, values[i].second, values[i].second};
    type = g_enum_register_static(type_name, table); // NOLINT(clang-analyzer-unix.Malloc)
  }
  return g_param_spec_enum(name, name, name, type, fallback, property_flags());
}

GParamSpec *property_memory(const char *name) {
  return property_enum(
      name, "StandinMemoryType",
      {{0, "nvbuf-mem-default"}, {1, "nvbuf-mem-cuda-pinned"}, {2, "nvbuf-mem-cuda-device"}, {3, "nvbuf-mem-cuda-unified"}}, 0);
}

void install(GObjectClass *klass, const PropertyTable &table) {
  for (guint i = 0; i < table.size(); ++i) g_object_class_install_property(klass, i + 1, table[i]);
}

Properties::Properties(const PropertyTable &table) : values_(table.size(), GValue(G_VALUE_INIT)) {
  for (size_t i = 0; i < table.size(); ++i) {
    g_value_init(&values_[i], table[i]->value_type);
    g_param_value_set_default(table[i], &values_[i]);
  }
}

Properties::~Properties() {
  for (GValue &value : values_) g_value_unset(&value);
}

void Properties::set(guint id, const GValue *value) {
  const std::lock_guard<std::mutex> hold(mutex_);
  g_value_copy(value, &values_.at(id - 1));
}

void Properties::get(guint id, GValue *value) const {
  const std::lock_guard<std::mutex> hold(mutex_);
  g_value_copy(&values_.at(id - 1), value);
}

guint Properties::uint(guint id) const {
  const std::lock_guard<std::mutex> hold(mutex_);
  return g_value_get_uint(&values_.at(id - 1));
}
gint Properties::integer(guint id) const {
  const std::lock_guard<std::mutex> hold(mutex_);
  return g_value_get_int(&values_.at(id - 1));
}
guint64 Properties::uint64(guint id) const {
  const std::lock_guard<std::mutex> hold(mutex_);
  return g_value_get_uint64(&values_.at(id - 1));
}
bool Properties::flag(guint id) const {
  const std::lock_guard<std::mutex> hold(mutex_);
  return g_value_get_boolean(&values_.at(id - 1)) != FALSE;
}
gint Properties::choice(guint id) const {
  const std::lock_guard<std::mutex> hold(mutex_);
  return g_value_get_enum(&values_.at(id - 1));
}
std::string Properties::text(guint id) const {
  const std::lock_guard<std::mutex> hold(mutex_);
  const char *value = g_value_get_string(&values_.at(id - 1));
  return value == nullptr ? "" : value;
}

} // namespace standin
