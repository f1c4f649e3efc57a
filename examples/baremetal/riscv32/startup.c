// SPDX-License-Identifier: Apache-2.0
// From reset to main on a 32-bit RISC-V core in machine mode: stack, traps, variables. The linker script names the
// memory.
#include <stdint.h>

#include "semihosting.h"

#define PMP_NO_ACCESS 0x98u  // locked, which is what machine mode heeds; a region whose size is a power of two
#define GUARD_BYTES 0x10000u

extern uint32_t __stack_bottom[], __data_start[], __data_end[], __bss_start[], __bss_end[];
extern const uint32_t __data_load[];
extern int main(void);
void reset(void);
__attribute__((noreturn)) void start(void);
void trap(void);
void prepare(void);
void fault(void);

// In front of everything, where the core begins.
__attribute__((section(".vectors"), used, naked)) void reset(void) {
  __asm__ volatile("la sp, __stack_top\n\t"
                   "j start");
}

__attribute__((used, noreturn)) void start(void) {
  __asm__ volatile(".option push\n\t"
                   ".option arch, +zicsr\n\t"
                   "csrw mtvec, %0\n\t"
                   ".option pop" ::"r"(trap));
  prepare();
  const uint32_t *from = __data_load;
  for (uint32_t *to = __data_start; to < __data_end; to++)
    *to = *from++;
  for (uint32_t *to = __bss_start; to < __bss_end; to++)
    *to = 0;
  host_exit(main());
}

// On an empty stack, since the old one may have overflowed.
__attribute__((used, naked, aligned(4))) void trap(void) {
  __asm__ volatile("la sp, __stack_top\n\t"
                   "j fault");
}

// What a board needs before anything else; defined elsewhere, this one is left out. Here: below the stack lies code,
// which an overflow must not overwrite. Variables do not have their values yet.
__attribute__((weak)) void prepare(void) {
  const uint32_t guard = ((uint32_t)(uintptr_t)__stack_bottom - GUARD_BYTES) >> 2 | (GUARD_BYTES / 8 - 1);
  __asm__ volatile(".option push\n\t"
                   ".option arch, +zicsr\n\t"
                   "csrw pmpaddr0, %0\n\t"
                   "csrw pmpcfg0, %1\n\t"
                   ".option pop" ::"r"(guard),
                   "r"(PMP_NO_ACCESS));
}

// Every trap, until the firmware handles some; defined elsewhere, this one is left out.
__attribute__((weak, used)) void fault(void) {
  host_print("fault\n");
  host_exit(1);
}
