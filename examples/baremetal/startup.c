// SPDX-License-Identifier: Apache-2.0
// From reset to main on any Cortex-M: vector table, FPU and MVE, variables. The linker script names the memory.
#include <stdint.h>

#include "semihosting.h"

#define CPACR (*(volatile uint32_t *)0xE000ED88u)
#define CPACR_FPU (0xFu << 20)

extern uint32_t __stack_top[], __data_start[], __data_end[], __bss_start[], __bss_end[];
extern const uint32_t __data_load[];
extern int main(void);
__attribute__((noreturn)) void reset(void);
__attribute__((noreturn)) void start(void);
void prepare(void);
void fault(void);

// Initial stack pointer, reset, and one handler for the fourteen exceptions behind it. A board's interrupts come next.
__attribute__((section(".vectors"), used)) static const uintptr_t vectors[16] = {
    (uintptr_t)__stack_top, (uintptr_t)reset, (uintptr_t)fault, (uintptr_t)fault, (uintptr_t)fault, (uintptr_t)fault,
    (uintptr_t)fault,       (uintptr_t)fault, (uintptr_t)fault, (uintptr_t)fault, (uintptr_t)fault, (uintptr_t)fault,
    (uintptr_t)fault,       (uintptr_t)fault, (uintptr_t)fault, (uintptr_t)fault};

// Enables the coprocessors first: from `start` on the compiler may use their registers for anything.
__attribute__((noreturn)) void reset(void) {
#ifdef __PIC__  // r9 is what -msingle-pic-base finds addresses by; without that option it is any register
  __asm__ volatile("ldr r0, =__got_start\n\t"
                   "mov r9, r0" ::
                       : "r0");
#endif
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
  CPACR |= CPACR_FPU;
  __asm__ volatile("dsb\n\tisb" ::: "memory");
#endif
  prepare();
  start();
}

__attribute__((noinline, noreturn)) void start(void) {
  const uint32_t *from = __data_load;
  for (uint32_t *to = __data_start; to < __data_end; to++)
    *to = *from++;
  for (uint32_t *to = __bss_start; to < __bss_end; to++)
    *to = 0;
  host_exit(main());
}

// What a board needs before anything else, such as clocks and memory protection; defined elsewhere, this one is left
// out. Variables do not have their values yet.
__attribute__((weak)) void prepare(void) {
}

// Every exception, until the firmware handles some; defined elsewhere, this one is left out.
__attribute__((weak)) void fault(void) {
  host_print("fault\n");
  host_exit(1);
}
