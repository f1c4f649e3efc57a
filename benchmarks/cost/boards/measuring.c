// SPDX-License-Identifier: Apache-2.0
// Guards the stack, reports faults and measures stack use, on every emulated board.
#include "guest.h"

#define CCR (*(volatile uint32_t *)0xE000ED14u)
#define CFSR (*(volatile uint32_t *)0xE000ED28u)  // cause of the fault; Armv7-M and later
#define BFAR (*(volatile uint32_t *)0xE000ED38u)  // faulting address
#define MPU_CTRL (*(volatile uint32_t *)0xE000ED94u)
#define MPU_RBAR (*(volatile uint32_t *)0xE000ED9Cu)
#define MPU_RASR (*(volatile uint32_t *)0xE000EDA0u)
#define CCR_UNALIGN_TRP (1u << 3)
#define MPU_ENABLE 1u
#define MPU_DEFAULT_MAP (1u << 2)  // default memory map outside regions
#define MPU_RBAR_VALID (1u << 4)   // selects region 0
#define MPU_RASR_256MB (27u << 1)
#define MPU_RASR_NO_EXECUTE (1u << 28)
#define GUARD_BASE 0x10000000u     // everything below DATA, where some boards ignore stores instead of faulting

enum { FAULT_EXIT = 125 }; // as in emulator.py

extern uint32_t __stack_bottom[], __stack_top[];
void prepare(void);
_Noreturn void report_fault(const uint32_t *frame, uint32_t exception);
void fault(void);

// Called by the startup code of examples/baremetal, on an empty stack.
void prepare(void) {
#if !defined(__ARM_FEATURE_UNALIGNED)
  CCR |= CCR_UNALIGN_TRP; // Armv6-M code on the M3: an unaligned access must fault as it does on the M0
#endif
#if __ARM_ARCH >= 8
  __asm__ volatile("msr msplim, %0" ::"r"(__stack_bottom));
#else
  MPU_RBAR = GUARD_BASE | MPU_RBAR_VALID;
  MPU_RASR = MPU_RASR_NO_EXECUTE | MPU_RASR_256MB | MPU_ENABLE; // no access at all
  MPU_CTRL = MPU_DEFAULT_MAP | MPU_ENABLE;
  __asm__ volatile("dsb\n\tisb" ::: "memory");
#endif
}

// Switches to an empty stack, since the old one may have overflowed. r0: the saved registers, r1: the exception.
__attribute__((naked)) void fault(void) {
  __asm__ volatile("mrs r0, msp\n\t"
                   "ldr r2, =__stack_top\n\t"
                   "mov sp, r2\n\t"
                   "mrs r1, ipsr\n\t"
                   "ldr r2, =report_fault\n\t"
                   "bx r2\n\t"
                   ".ltorg");
}

static char *put_hex(char *out, const char *name, uint32_t value) {
  while (*name != '\0')
    *out++ = *name++;
  for (int shift = 28; shift >= 0; shift -= 4)
    *out++ = "0123456789abcdef"[(value >> shift) & 15u];
  return out;
}

// frame: r0-r3, r12, lr, pc, xpsr, where the stack had room for them.
__attribute__((used)) _Noreturn void report_fault(const uint32_t *frame, uint32_t exception) {
  char text[96];
  char *end = put_hex(text, "fault exception=", exception);
  int is_saved = frame >= __stack_bottom && frame + 8 <= __stack_top;
  end = put_hex(end, " pc=", is_saved ? frame[6] : 0);
  end = put_hex(end, " cfsr=", CFSR);
  end = put_hex(end, " address=", BFAR);
  *end++ = '\n';
  *end = '\0';
  host_print(text);
  host_exit(FAULT_EXIT);
}

// Both in assembly, because they must not use the stack that they measure.

static uint32_t *painted_from __attribute__((used)); // end of the pattern, start of the caller's stack

__attribute__((naked, noinline)) void stack_paint(void) {
  __asm__ volatile(".syntax unified\n\t"
                   "mov r0, sp\n\t"
                   "ldr r1, =painted_from\n\t"
                   "str r0, [r1]\n\t"
                   "ldr r1, =__stack_bottom\n\t"
                   "ldr r2, =0x5ac3a55a\n"
                   "1: cmp r1, r0\n\t"
                   "bhs 2f\n\t"
                   "str r2, [r1]\n\t"
                   "adds r1, #4\n\t"
                   "b 1b\n"
                   "2: bx lr\n\t"
                   ".ltorg");
}

__attribute__((naked, noinline)) uint32_t stack_used(void) {
  __asm__ volatile(".syntax unified\n\t"
                   "ldr r0, =painted_from\n\t"
                   "ldr r0, [r0]\n\t"
                   "ldr r1, =__stack_bottom\n\t"
                   "ldr r2, =0x5ac3a55a\n"
                   "1: cmp r1, r0\n\t"
                   "bhs 2f\n\t"
                   "ldr r3, [r1]\n\t"
                   "cmp r3, r2\n\t"
                   "bne 2f\n\t"
                   "adds r1, #4\n\t"
                   "b 1b\n"
                   "2: subs r0, r0, r1\n\t"
                   "bx lr\n\t"
                   ".ltorg");
}
