#ifndef STUB_DEVICE_H
#define STUB_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct device {
  const char *name;
};

extern const struct device stub_dmic0;

#define STUB_DEVICE(node) (&stub_##node)
#define DEVICE_DT_GET(node) STUB_DEVICE(node)

static inline bool device_is_ready(const struct device *dev) {
  return dev != NULL;
}

#endif  // STUB_DEVICE_H
