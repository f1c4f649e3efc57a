#include <stdio.h>
#define ESP_LOGI(tag, format, ...) printf("I (0) %s: " format "\n", tag, __VA_ARGS__)
