// The I2S driver's interface as ESP-IDF documents it, with a microphone of 24 bits in the left of two 32-bit slots.
// It is as quiet as a shift of 12 makes up for. A fault is an overflow of the queue, and a channel that gives nothing
// until it is disabled and enabled.
#ifndef STUB_I2S_STD_H
#define STUB_I2S_STD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "esp_err.h"
#include "microphone.h"

typedef enum { GPIO_NUM_NC = -1, GPIO_NUM_0 = 0 } gpio_num_t;
typedef enum { I2S_NUM_AUTO } i2s_port_t;
typedef enum { I2S_ROLE_MASTER } i2s_role_t;
typedef enum { I2S_DATA_BIT_WIDTH_16BIT = 16, I2S_DATA_BIT_WIDTH_32BIT = 32 } i2s_data_bit_width_t;
typedef enum { I2S_SLOT_MODE_MONO = 1, I2S_SLOT_MODE_STEREO } i2s_slot_mode_t;
typedef enum { I2S_STD_SLOT_LEFT = 1, I2S_STD_SLOT_BOTH = 3 } i2s_std_slot_mask_t;
typedef struct stub_i2s *i2s_chan_handle_t;

typedef struct {
  i2s_port_t id;
  i2s_role_t role;
} i2s_chan_config_t;

typedef struct {
  uint32_t sample_rate_hz;
} i2s_std_clk_config_t;

typedef struct {
  i2s_data_bit_width_t data_bit_width;
  i2s_slot_mode_t slot_mode;
  i2s_std_slot_mask_t slot_mask;
} i2s_std_slot_config_t;

typedef struct {
  gpio_num_t mclk, bclk, ws, dout, din;
} i2s_std_gpio_config_t;

typedef struct {
  i2s_std_clk_config_t clk_cfg;
  i2s_std_slot_config_t slot_cfg;
  i2s_std_gpio_config_t gpio_cfg;
} i2s_std_config_t;

typedef struct {
  void *data;
  size_t size;
} i2s_event_data_t;

typedef bool (*i2s_isr_callback_t)(i2s_chan_handle_t handle, i2s_event_data_t *event, void *user_ctx);

typedef struct {
  i2s_isr_callback_t on_recv, on_recv_q_ovf, on_sent, on_send_q_ovf;
} i2s_event_callbacks_t;

struct stub_i2s {
  int enabled, stuck;
  i2s_isr_callback_t on_overflow;
};

#define I2S_GPIO_UNUSED GPIO_NUM_NC
#define I2S_CHANNEL_DEFAULT_CONFIG(port, its_role) {.id = port, .role = its_role}
#define I2S_STD_CLK_DEFAULT_CONFIG(rate) {.sample_rate_hz = rate}
#define I2S_STD_PHILIPS_SLOT_DEFAULT_CONFIG(bits, mode) \
  {.data_bit_width = bits, .slot_mode = mode, .slot_mask = I2S_STD_SLOT_BOTH}

static struct stub_i2s stub_channel;

static inline esp_err_t i2s_new_channel(const i2s_chan_config_t *config, i2s_chan_handle_t *tx, i2s_chan_handle_t *rx) {
  *rx = &stub_channel;
  return config->role == I2S_ROLE_MASTER && tx == NULL ? ESP_OK : ESP_FAIL;
}

static inline esp_err_t i2s_channel_init_std_mode(i2s_chan_handle_t handle, const i2s_std_config_t *config) {
  return handle == &stub_channel && config->clk_cfg.sample_rate_hz == 16000 &&
                 config->slot_cfg.data_bit_width == I2S_DATA_BIT_WIDTH_32BIT &&
                 config->slot_cfg.slot_mode == I2S_SLOT_MODE_MONO && config->slot_cfg.slot_mask == I2S_STD_SLOT_LEFT &&
                 config->gpio_cfg.din >= 0
             ? ESP_OK
             : ESP_FAIL;
}

static inline esp_err_t i2s_channel_register_event_callback(i2s_chan_handle_t handle,
                                                            const i2s_event_callbacks_t *callbacks, void *user_data) {
  handle->on_overflow = callbacks->on_recv_q_ovf;
  return handle->enabled || user_data != NULL ? ESP_FAIL : ESP_OK;
}

static inline esp_err_t i2s_channel_enable(i2s_chan_handle_t handle) {
  const esp_err_t result = handle->enabled ? ESP_FAIL : ESP_OK;

  handle->enabled = 1;
  return result;
}

static inline esp_err_t i2s_channel_disable(i2s_chan_handle_t handle) {
  handle->enabled = 0;
  handle->stuck = 0;
  return ESP_OK;
}

static inline esp_err_t i2s_channel_read(i2s_chan_handle_t handle, void *data, size_t size, size_t *read,
                                         uint32_t timeout_ms) {
  int32_t *const slots = (int32_t *)data;

  if (stub_fails()) {
    handle->on_overflow(handle, NULL, NULL);
    handle->stuck = 1;
  }
  if (handle->stuck || !handle->enabled) {
    stub_wait(timeout_ms);
    return ESP_ERR_TIMEOUT;
  }
  for (size_t i = 0; i < size / sizeof *slots; ++i) {
    int16_t sample;
    stub_listen(&sample, 1);
    slots[i] = sample * 4096 + 0x120;
  }
  *read = size;
  return handle->enabled && timeout_ms > 0 ? ESP_OK : ESP_FAIL;
}

#endif  // STUB_I2S_STD_H
