// The PDM library's interface. A read hands over the whole block, as on the board; what does not fit is lost. After a
// fault no interrupt comes until the library is ended and begun again.
#ifndef STUB_PDM_H
#define STUB_PDM_H

#include "Arduino.h"

struct StubPdm {
  int bytes, gain, running, stuck;
  void (*receiver)();

  void setBufferSize(int size) { bytes = size; }
  void onReceive(void (*function)()) { receiver = function; }
  void setGain(int gain_) { gain = gain_; }
  int begin(int channels, int rate) {
    running = channels == 1 && rate == 16000 && bytes > 0 && receiver != NULL && gain > 40 && !running;
    return running;
  }
  void end() { running = stuck = 0; }
  int read(void *buffer, size_t size) {
    const size_t count = (size < (size_t)bytes ? size : (size_t)bytes) / sizeof(int16_t);
    stub_listen(static_cast<int16_t *>(buffer), count);
    return (int)(count * sizeof(int16_t));
  }
};

static StubPdm PDM;

int main() {
  setup();
  for (;;) {
    PDM.stuck |= stub_fails();
    if (PDM.stuck || !PDM.running) {
      stub_wait(10);
    } else {
      // once, so many blocks come before loop() is called
      const size_t late = stub_samples == 2560 ? stub_setting("STUB_LATE", 0) : 0;
      for (size_t i = 0; i < late; ++i) {
        PDM.receiver();
      }
      PDM.receiver();
    }
    loop();
    loop();  // what lay beyond the end of the ring
  }
}

#endif  // STUB_PDM_H
