#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#ifndef STUB_DEVICE_H
#define STUB_DEVICE_H

struct device {
  const char *name;
};

extern const struct device stub_dmic0;

#define DEVICE_DT_GET(node) (&stub_##node)

static inline bool device_is_ready(const struct device *dev) { return dev != NULL; }

#endif  // STUB_DEVICE_H
