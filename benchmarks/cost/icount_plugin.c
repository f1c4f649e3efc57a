// SPDX-License-Identifier: Apache-2.0
// A QEMU plugin that counts executed Thumb instructions, all of them and those of every call of marked functions.
//
//     qemu-system-arm ... -plugin icount_plugin.so,out=FILE,mark=NAME:ADDRESS,mark=NAME:ADDRESS
//
// FILE receives JSON: {"instructions": n, "calls": {NAME: [instructions of the first call, of the second, ...]},
// "errors": [text, ...]}. A call counts from the function's first instruction to its return, with all that it calls;
// the call instruction is the caller's. Inner calls of a recursion belong to the outermost one. Instructions
// that an IT block skips are counted too.
//
// The interface gives no access to registers, so the return address is taken from the code: it is the address after the
// BL or BLX that ended the previous block. A marked function must therefore be called, not jumped to; a tail call is
// reported as an error.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qemu_plugin.h"

#define MAX_MARKS 64
#define NOWHERE UINT64_MAX

struct mark {
  char *name;
  uint64_t entry;  // address of the first instruction
  uint64_t return_to;  // of the call that is running, else NOWHERE
  uint64_t before;  // instructions executed when that call began
  uint64_t *calls;  // [count] instructions of each call that returned
  size_t count;
  size_t capacity;
  int jumped_to;
};

struct block {
  uint64_t start;  // address of its first instruction
  uint64_t after_call;  // address after its last instruction where that is a BL or BLX, else NOWHERE
};

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

static struct mark marks[MAX_MARKS];
static size_t mark_count;
static const char *out_path;
static uint64_t executed;
static uint64_t pending_return = NOWHERE;  // `after_call` of the block that ran before this one

static void *checked(void *memory) {
  if (memory == NULL) {
    fputs("icount_plugin: out of memory\n", stderr);
    exit(1);
  }
  return memory;
}

static void append(struct mark *mark, uint64_t instructions) {
  if (mark->count == mark->capacity) {
    mark->capacity = mark->capacity ? 2 * mark->capacity : 64;
    mark->calls = checked(realloc(mark->calls, mark->capacity * sizeof *mark->calls));
  }
  mark->calls[mark->count++] = instructions;
}

static void block_begins(unsigned int vcpu, void *userdata) {
  const struct block *block = userdata;
  (void)vcpu;
  for (struct mark *mark = marks; mark < marks + mark_count; mark++) {
    if (mark->return_to == block->start) {
      append(mark, executed - mark->before);
      mark->return_to = NOWHERE;
    }
    if (mark->entry == block->start && mark->return_to == NOWHERE) {
      mark->jumped_to |= pending_return == NOWHERE;
      mark->return_to = pending_return;
      mark->before = executed;
    }
  }
  pending_return = block->after_call;
}

// Whether this instruction is BL label (32 bits) or BLX register (16 bits).
static int is_call(const struct qemu_plugin_insn *insn) {
  uint16_t half[2] = {0, 0};
  size_t size = qemu_plugin_insn_size(insn);
  memcpy(half, qemu_plugin_insn_data(insn), size < sizeof half ? size : sizeof half);
  return size == 4 ? (half[0] & 0xf800) == 0xf000 && (half[1] & 0xd000) == 0xd000 : (half[0] & 0xff80) == 0x4780;
}

static void block_translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
  size_t instructions = qemu_plugin_tb_n_insns(tb);
  const struct qemu_plugin_insn *last = qemu_plugin_tb_get_insn(tb, instructions - 1);
  struct block *block = checked(malloc(sizeof *block));  // QEMU may run a block until it exits: never freed
  (void)id;
  block->start = qemu_plugin_tb_vaddr(tb);
  block->after_call = is_call(last) ? qemu_plugin_insn_vaddr(last) + qemu_plugin_insn_size(last) : NOWHERE;
  qemu_plugin_register_vcpu_tb_exec_cb(tb, block_begins, QEMU_PLUGIN_CB_NO_REGS, block);
  for (size_t i = 0; i < instructions; i++)
    qemu_plugin_register_vcpu_insn_exec_inline(qemu_plugin_tb_get_insn(tb, i), QEMU_PLUGIN_INLINE_ADD_U64, &executed,
                                               1);
}

static void report(qemu_plugin_id_t id, void *userdata) {
  FILE *out = fopen(out_path, "w");
  const char *separator = "";
  (void)id;
  (void)userdata;
  if (out == NULL) {
    perror(out_path);
    return;
  }
  fprintf(out, "{\"instructions\": %" PRIu64 ", \"calls\": {", executed);
  for (const struct mark *mark = marks; mark < marks + mark_count; mark++) {
    fprintf(out, "%s\"%s\": [", mark == marks ? "" : ", ", mark->name);
    for (size_t i = 0; i < mark->count; i++)
      fprintf(out, "%s%" PRIu64, i ? ", " : "", mark->calls[i]);
    fputs("]", out);
  }
  fputs("}, \"errors\": [", out);
  for (const struct mark *mark = marks; mark < marks + mark_count; mark++) {
    if (mark->jumped_to || mark->return_to != NOWHERE) {
      fprintf(out, "%s\"%s %s\"", separator, mark->name,
              mark->jumped_to ? "was jumped to, not called" : "did not return");
      separator = ", ";
    }
  }
  fputs("]}\n", out);
  fclose(out);
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv) {
  (void)info;
  for (int i = 0; i < argc; i++) {
    char *colon = strrchr(argv[i], ':');
    if (strncmp(argv[i], "out=", 4) == 0) {
      out_path = checked(strdup(argv[i] + 4));
    } else if (strncmp(argv[i], "mark=", 5) == 0 && colon != NULL && mark_count < MAX_MARKS) {
      struct mark *mark = &marks[mark_count++];
      *colon = '\0';
      mark->name = checked(strdup(argv[i] + 5));
      mark->entry = strtoull(colon + 1, NULL, 0);
      mark->return_to = NOWHERE;
    } else {
      fprintf(stderr, "icount_plugin: bad argument %s\n", argv[i]);
      return 1;
    }
  }
  if (out_path == NULL) {
    fputs("icount_plugin: out=FILE is missing\n", stderr);
    return 1;
  }
  qemu_plugin_register_vcpu_tb_trans_cb(id, block_translated);
  qemu_plugin_register_atexit_cb(id, report, NULL);
  return 0;
}
