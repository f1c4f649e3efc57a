// SPDX-License-Identifier: Apache-2.0
// Functions for programs in the emulator: bytes from and to the host, and stack use.
//
//     int main(void) {
//         uint32_t numbers[4];
//         size_t got = host_read(numbers, sizeof numbers); // from the file `input` of emulator.run
//         stack_paint();
//         work(numbers);
//         host_write(numbers, got);                        // appears as `output` of emulator.run
//         return 0;                                        // any other value: emulator.run reports it
//     }
//
// main runs with FPU and MVE enabled where the core has them, in thread mode on the main stack.
#ifndef BENCHMARKS_GUEST_H
#define BENCHMARKS_GUEST_H

#include "semihosting.h"

// Fills the unused part of the stack with a pattern.
void stack_paint(void);
// Returns the bytes of stack used since stack_paint; both must be called at the same depth.
uint32_t stack_used(void);

#endif
