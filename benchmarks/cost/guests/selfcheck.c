// SPDX-License-Identifier: Apache-2.0
// Checks of the emulator harness: loops of known length, a stack frame of known size, and every way in which a program
// can fail. Input: pairs of uint32, a check and its amount.
#include "guest.h"

enum {
  LOOP,         // output: 0
  STACK,        // output: bytes of stack used by a frame of `amount` words
  READ_NOTHING, // read where there is no memory
  UNDEFINED,    // execute an undefined instruction
  OVERFLOW,     // call `amount` functions deep, deeper than the stack is
  ENDLESS,      // never end
  EXIT,         // end with `amount`
  UNALIGNED,    // output: a word read at an odd address, which faults in Armv6-M
  JUMP          // reach a counted function by a jump
};

// Executes 2 n + 1 instructions: n times SUBS and BNE, then BX.
__attribute__((naked, noinline)) void known_loop(uint32_t n);
void known_loop(__attribute__((unused)) uint32_t n) {
  __asm__ volatile(".syntax unified\n"
                   "1: subs r0, #1\n\t"
                   "bne 1b\n\t"
                   "bx lr");
}

// As known_loop, and returns through the function it calls: 2 n + 5 instructions with PUSH, BL, the loop's and POP.
__attribute__((naked, noinline)) void known_nested_loop(uint32_t n);
void known_nested_loop(__attribute__((unused)) uint32_t n) {
  __asm__ volatile("push {r4, lr}\n\t"
                   "nop\n\t"
                   "bl known_loop\n\t"
                   "pop {r4, pc}");
}

// A tail call: the emulator cannot know where known_loop will return to.
__attribute__((naked, noinline)) void jump_to_loop(uint32_t n);
void jump_to_loop(__attribute__((unused)) uint32_t n) {
  __asm__ volatile("b known_loop");
}

// Uses 4 n bytes of stack and a few for registers and alignment.
__attribute__((noipa)) static uint32_t deep(uint32_t n) {
  volatile uint32_t frame[n];
  for (uint32_t i = 0; i < n; i++)
    frame[i] = i;
  return frame[n - 1];
}

__attribute__((noipa)) static uint32_t overflow(uint32_t n) {
  volatile uint32_t frame[64];
  frame[n % 64] = n;
  return n == 0 ? 0 : overflow(n - 1) + frame[n % 64];
}

static uint32_t perform(uint32_t what, uint32_t amount) {
  static const uint32_t words[2] = {0x04030201, 0x08070605};
  uintptr_t address;
  switch (what) {
  case LOOP:
    known_loop(amount);
    known_nested_loop(amount);
    return 0;
  case STACK:
    stack_paint();
    deep(amount);
    return stack_used();
  case READ_NOTHING:
    return *(volatile uint32_t *)0xF0000000;
  case UNDEFINED:
    __asm__ volatile("udf #0");
    return 0;
  case OVERFLOW:
    return overflow(amount);
  case ENDLESS:
    for (;;)
      __asm__ volatile("nop");
  case EXIT:
    host_exit((int)amount);
  case UNALIGNED:
    address = (uintptr_t)words + 1;
    __asm__ volatile("" : "+r"(address)); // the compiler would read what it knows to be unaligned byte by byte
    return *(const uint32_t *)address;
  case JUMP:
    jump_to_loop(amount);
    return 0;
  default:
    host_print("no such check\n");
    host_exit(1);
  }
}

int main(void) {
  uint32_t check[2];
  while (host_read(check, sizeof check) == sizeof check) {
    uint32_t result = perform(check[0], check[1]);
    host_write(&result, sizeof result);
  }
  return 0;
}
