#ifndef STUB_ESP_ERR_H
#define STUB_ESP_ERR_H

#include <stdlib.h>

typedef int esp_err_t;
#define ESP_OK 0
#define ESP_FAIL -1
#define ESP_ERR_TIMEOUT 0x107
#define ESP_ERROR_CHECK(call) ((call) == ESP_OK ? (void)0 : abort())

#endif  // STUB_ESP_ERR_H
