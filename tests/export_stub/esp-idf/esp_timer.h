#include "microphone.h"

static inline int64_t esp_timer_get_time(void) {
  return 1000 * (int64_t)stub_ms();
}
