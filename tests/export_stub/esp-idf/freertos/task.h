#include "microphone.h"
#define vTaskDelay stub_wait
