// SPDX-License-Identifier: Apache-2.0
// What a program can ask of the emulator, or of the debugger, that it runs under. On a board that is on its own, put
// the microphone, the serial port and a reset in their place.
#ifndef SEMIHOSTING_H
#define SEMIHOSTING_H

#include <stddef.h>
#include <stdint.h>

// Up to `size` bytes of the host's file `input`, fewer only at its end. Returns the bytes read.
size_t host_read(void *data, size_t size);

// Appends `size` bytes to the host's file `output`; the program ends with an error where the host does not take them.
void host_write(const void *data, size_t size);

// Text for the person who runs it, zero-terminated.
void host_print(const char *text);

// Ends the program; other than 0 is an error.
__attribute__((noreturn)) void host_exit(int code);

#endif
