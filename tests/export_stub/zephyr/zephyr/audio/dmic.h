// The digital microphone's interface as Zephyr documents it, and its driver as Nordic's behaves: once
// it found no free block it gives nothing more, -EAGAIN, until it is stopped, configured and started.
#ifndef STUB_DMIC_H
#define STUB_DMIC_H

#include <zephyr/device.h>
#include <zephyr/kernel.h>

#include "microphone.h"

enum dmic_trigger { DMIC_TRIGGER_STOP, DMIC_TRIGGER_START };
enum pdm_lr { PDM_CHAN_LEFT, PDM_CHAN_RIGHT };

struct pdm_io_cfg {
  uint32_t min_pdm_clk_freq, max_pdm_clk_freq;
  uint8_t min_pdm_clk_dc, max_pdm_clk_dc;
};

struct pcm_stream_cfg {
  uint32_t pcm_rate;
  uint8_t pcm_width;
  uint16_t block_size;
  struct k_mem_slab *mem_slab;
};

struct pdm_chan_cfg {
  uint32_t req_chan_map_lo;
  uint8_t req_num_chan, req_num_streams;
};

struct dmic_cfg {
  struct pdm_io_cfg io;
  struct pcm_stream_cfg *streams;
  struct pdm_chan_cfg channel;
};

const struct device stub_dmic0 = {"dmic0"};
static struct k_mem_slab *stub_slab;
static int stub_started, stub_stuck;

static inline uint32_t dmic_build_channel_map(uint8_t channel, uint8_t pdm, enum pdm_lr lr) {
  return ((uint32_t)pdm << 1 | (uint32_t)lr) << (4 * channel);
}

static inline int dmic_configure(const struct device *dev, struct dmic_cfg *config) {
  const struct pcm_stream_cfg *const stream = config->streams;

  stub_slab = stream->mem_slab;
  if (stub_started) {
    return -16;
  }
  return dev == &stub_dmic0 && stream->pcm_rate == 16000 && stream->pcm_width == 16 &&
                 stream->block_size == stub_slab->block_size && config->channel.req_num_chan == 1 &&
                 config->channel.req_num_streams == 1
             ? 0
             : -22;
}

static inline int dmic_trigger(const struct device *dev, enum dmic_trigger command) {
  stub_stuck = stub_stuck && command != DMIC_TRIGGER_STOP;
  stub_started = command == DMIC_TRIGGER_START;
  return dev == &stub_dmic0 ? 0 : -22;
}

static inline int dmic_read(const struct device *dev, uint8_t stream, void **buffer, size_t *size, int32_t timeout) {
  stub_stuck |= stub_fails();
  if (stub_stuck || !stub_started) {
    stub_wait((size_t)timeout);
    return -11;
  }
  if (dev != &stub_dmic0 || stream != 0 || timeout <= 0 || stub_slab->used != 0) {
    return -12;
  }
  stub_slab->used = 1;
  stub_listen((int16_t *)(void *)stub_slab->buffer, stub_slab->block_size / sizeof(int16_t));
  // as quiet as CONFIG_LISTEN_GAIN_BITS makes up for
  for (size_t i = 0; i < stub_slab->block_size / sizeof(int16_t); ++i) {
    ((int16_t *)(void *)stub_slab->buffer)[i] /= 1 << CONFIG_LISTEN_GAIN_BITS;
  }
  *buffer = stub_slab->buffer;
  *size = stub_slab->block_size;
  return 0;
}

#endif  // STUB_DMIC_H
