// SPDX-License-Identifier: Apache-2.0
// Input, output and exit through Arm semihosting (Arm document 100863): BKPT 0xAB with the operation in r0, its
// parameter block in r1, the result in r0. RISC-V has the same operations, in a0 and a1 (RISC-V Semihosting 0.4).
#include "semihosting.h"

enum { SYS_OPEN = 0x01, SYS_WRITE0 = 0x04, SYS_WRITE = 0x05, SYS_READ = 0x06, SYS_EXIT_EXTENDED = 0x20 };
enum { OPEN_READ_BINARY = 1, OPEN_WRITE_BINARY = 5 };
enum { APPLICATION_EXIT = 0x20026 };

#ifdef __riscv
// Three instructions of 4 bytes in one page: the first and the last tell the ebreak from a debugger's.
static uint32_t call_host(uint32_t operation, const void *parameters) {
  register uint32_t a0 __asm__("a0") = operation;
  register const void *a1 __asm__("a1") = parameters;
  __asm__ volatile(".balign 16\n\t"
                   ".option push\n\t"
                   ".option norvc\n\t"
                   "slli zero, zero, 0x1f\n\t"
                   "ebreak\n\t"
                   "srai zero, zero, 7\n\t"
                   ".option pop"
                   : "+r"(a0)
                   : "r"(a1)
                   : "memory");
  return a0;
}
#else
static uint32_t call_host(uint32_t operation, const void *parameters) {
  register uint32_t r0 __asm__("r0") = operation;
  register const void *r1 __asm__("r1") = parameters;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}
#endif

static uint32_t word(const void *pointer) {
  return (uint32_t)(uintptr_t)pointer;
}

// A file in the folder that the emulator runs in.
static uint32_t open_file(const char *name, uint32_t length, uint32_t mode) {
  const uint32_t parameters[3] = {word(name), mode, length};
  uint32_t handle = call_host(SYS_OPEN, parameters);
  if (handle == UINT32_MAX) {
    host_print("cannot open a file of the host\n");
    host_exit(1);
  }
  return handle;
}

size_t host_read(void *data, size_t size) {
  static uint32_t handle;
  if (handle == 0)
    handle = open_file("input", sizeof "input" - 1, OPEN_READ_BINARY);
  const uint32_t parameters[3] = {handle, word(data), size};
  return size - call_host(SYS_READ, parameters);
}

void host_write(const void *data, size_t size) {
  static uint32_t handle;
  if (handle == 0)
    handle = open_file("output", sizeof "output" - 1, OPEN_WRITE_BINARY);
  const uint32_t parameters[3] = {handle, word(data), size};
  if (call_host(SYS_WRITE, parameters) != 0) {
    host_print("the host did not take the output\n");
    host_exit(1);
  }
}

void host_print(const char *text) {
  call_host(SYS_WRITE0, text);
}

void host_exit(int code) {
  const uint32_t parameters[2] = {APPLICATION_EXIT, (uint32_t)code};
  for (;;)
    call_host(SYS_EXIT_EXTENDED, parameters);
}
