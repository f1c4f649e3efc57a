// The PDM library's interface. A read hands over the whole block, as on the board; what does not fit is lost.
#ifndef STUB_PDM_H
#define STUB_PDM_H

#include "Arduino.h"
#include "microphone.h"

struct StubPdm {
  int bytes;
  void (*receiver)();

  void setBufferSize(int size) { bytes = size; }
  void onReceive(void (*function)()) { receiver = function; }
  int begin(int channels, int rate) { return channels == 1 && rate == 16000 && bytes > 0 && receiver != NULL; }
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
    PDM.receiver();
    loop();
    loop();  // what lay beyond the end of the ring
  }
}

#endif  // STUB_PDM_H
