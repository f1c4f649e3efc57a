"""Text in C sources: whatever it is, the compiler reads back the same bytes, or it is refused in one line."""

from __future__ import annotations

import ctypes
import doctest
import shutil
import subprocess

import pytest
from firmware_builds import AWKWARD, WARNINGS, change_record, write_small_build

from common import checkpoint, ctext
from common.errors import UserError
from engine.binding import Engine
from engine.random_network import random_network
from engine.render import engine_id
from firmware_gen import __main__ as firmware_gen

COMPILERS = {
    "C99 of gcc": ["gcc", "-std=c99", "-xc"],
    "C99 of clang": ["clang", "-std=c99", "-xc"],
    "C++11": ["g++", "-std=c++11", "-xc++"],
    "C++17": ["g++", "-std=c++17", "-xc++"],
}
EVERY_ASCII = "".join(map(chr, range(1, 128)))
TEXTS = (
    *AWKWARD,
    "",
    EVERY_ASCII,
    EVERY_ASCII[::-1],
    "\U0001f600",
    "a\u20acb\uffff\U0010ffff",
    "\x1b7",
    "\x7f0",
    "ü9",
    "??=??(??/??)??'??<??!??>??-",
    "???/",
    '??/"',
    "\\",
    "\\\n",
    "%s%n",
    'R"(x)"',
    "//",
    "/*",
    "\\u00e9",
    "\ufeff",
)
NO_C_STRINGS = ("a\0b", "\0", "behind\0", "\ud83d", "\ude00\ud83d")


@pytest.mark.parametrize("compiler", COMPILERS)
def test_compiler_reads_back_every_text(compiler, tmp_path):
    command = COMPILERS[compiler]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    literals = "".join(f"    {ctext.c_string(text)},\n" for text in TEXTS)
    program = (
        f"#include <stdio.h>\n\nstatic const char *const texts[] = {{\n{literals}}};\n\nint main(void) {{\n"
        f"  for (int i = 0; i < {len(TEXTS)}; ++i) {{\n    fputs(texts[i], stdout);\n    putchar(0);\n  }}\n"
        "  return 0;\n}\n"
    )
    assert program.isascii()
    subprocess.run([*command, *WARNINGS, "-pedantic", "-", "-o", tmp_path / "texts"], input=program, text=True, check=True)
    printed = subprocess.run(tmp_path / "texts", capture_output=True, check=True).stdout
    assert printed.decode().split("\0")[:-1] == list(TEXTS)


@pytest.mark.parametrize("text", NO_C_STRINGS)
def test_what_no_c_string_holds_is_refused_in_one_line(text):
    with pytest.raises(ValueError, match="NUL|surrogate") as error:
        ctext.c_string(text)
    assert str(error.value).isascii() and str(error.value).isprintable()


def test_examples_in_the_docstrings_hold():
    result = doctest.testmod(ctext)
    assert result.attempted >= 2 and result.failed == 0


def test_comments_are_what_is_left_out_and_strings_are_not():
    assert ctext.without_comments('a  // b "c"\n  "d // e" "\\"//" f;// g\n') == 'a "d // e" "\\"//" f;'


# ---- labels ----


def test_native_engine_names_its_classes_byte_for_byte():
    labels = tuple(text for text in TEXTS if text)
    library = Engine(random_network(1, labels=labels))._library
    names = (ctypes.c_char_p * len(labels)).in_dll(library, "kws_class_names")
    assert [name.decode() for name in names] == list(labels)


def test_engine_of_other_labels_has_another_id():
    """Even where they differ behind what is a comment outside a string."""
    made = [random_network(1, labels=("yes", f"no // {word}")) for word in ("one", "two")]
    assert engine_id(made[0]) != engine_id(made[1])


@pytest.mark.parametrize("label", NO_C_STRINGS)
def test_label_that_no_c_string_holds_is_refused_in_one_line(label, tmp_path, failure):
    build = write_small_build(tmp_path / "tau1")
    change_record(build, "labels", value=[label, *AWKWARD[1:]])
    line = failure(firmware_gen.main, "--build", build)
    assert f"{build / 'conversion.json'}: {label!a} holds" in line
    assert not (build / "firmware").exists()
    with pytest.raises(UserError, match="the label .* holds .*; rename it"):
        random_network(1, labels=("yes", label))


def test_checkpoint_with_a_nul_in_a_label_is_refused(tmp_path, shipped_tau1):
    path = tmp_path / "nul.safetensors"
    labels = ("a\0b", *shipped_tau1.labels[1:])
    checkpoint.save(path, checkpoint.Checkpoint(1, labels, shipped_tau1.tensors, shipped_tau1.training))
    with pytest.raises(UserError, match="nul.safetensors: its label .* holds a character that cannot be printed"):
        checkpoint.load(path)
