"""Build programs for Cortex-M, or RISC-V, run them in QEMU and count their instructions.

    image = compile(CORES["cortex-m4"], [program], [folder], Path("program.elf"))
    done = run(image, data=b"what host_read returns", marks=("kws_frontend_push",))
    done.output, done.instructions, max(done.calls["kws_frontend_push"])

Programs include `boards/guest.h`; see those in `guests/`. Counted are executed instructions, not cycles, since QEMU has no
model of time; every run on every host gives the same figures. The plugin works in QEMU 4.2 to 8.2; Debian 12 has 7.2.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from common.atomic import replacing
from common.errors import UserError
from common.shipped import EXAMPLES, ROOT

HERE = Path(__file__).resolve().parent
BOARDS = HERE / "boards"
BAREMETAL = EXAMPLES / "baremetal"
"""Startup code, semihosting and linker scripts, shared with the example."""
RISCV32_PORT = BAREMETAL / "riscv32"
"""What of them is another on a RISC-V core."""
CACHE = ROOT / "build" / "cache"
COMPILER, NM, SIZE = "arm-none-eabi-gcc", "arm-none-eabi-nm", "arm-none-eabi-size"
EMULATOR, HOST_COMPILER = "qemu-system-arm", "cc"
RISCV_COMPILER, RISCV_EMULATOR = "riscv64-unknown-elf-gcc", "qemu-system-riscv32"
PACKAGES = {
    COMPILER: "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    NM: "binutils-arm-none-eabi",
    SIZE: "binutils-arm-none-eabi",
    EMULATOR: "qemu-system-arm",
    HOST_COMPILER: "gcc",
    RISCV_COMPILER: "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf",
    RISCV_EMULATOR: "qemu-system-misc",
}
"""The Debian package of each program."""
FAULT_EXIT = 125  # boards/measuring.c
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Werror")
PLAIN = ("-DKWS_PLAIN_NAMES",)
"""Symbols are called as in the source, where they are looked for by name; it changes no instruction."""
OPTIMISATION = ("-std=c99", "-O2", "-ffunction-sections", "-fdata-sections")
LINKING = ("-nostartfiles", "-Wl,--gc-sections", "-Wl,--fatal-warnings")
CAUSES = (
    (0x0010_0000, "stack overflow"),
    (0x0000_1000, "stack overflow"),
    (0x0000_0010, "stack overflow"),
    (0x0001_0000, "undefined instruction"),
    (0x0002_0000, "jump to code that is not Thumb"),
    (0x0008_0000, "coprocessor that is not enabled"),
    (0x0100_0000, "unaligned access"),
    (0x0000_0100, "no memory to fetch an instruction from"),
    (0x0000_0200, "no memory"),
    (0x0000_0400, "no memory"),
    (0x0000_0001, "jump to memory that is not code"),
    (0x0000_0002, "access that is not allowed"),
)
"""Bits of the Configurable Fault Status Register, Armv8-M Architecture Reference Manual D1.2.10."""


class GuestError(UserError):
    """The emulated program faulted, ended with an error, or did not end in time."""


@dataclasses.dataclass(frozen=True)
class Toolchain:
    """Compiler and emulator of an architecture, the options that each always has, and the folder of startup code and linker
    scripts."""

    compiler: str = COMPILER
    flags: tuple[str, ...] = ("-mthumb",)
    emulator: str = EMULATOR
    options: tuple[str, ...] = ()
    port: Path = BAREMETAL


ARM = Toolchain()
RISC_V = Toolchain(RISCV_COMPILER, ("--specs=picolibc.specs",), RISCV_EMULATOR, ("-bios", "none"), RISCV32_PORT)


@dataclasses.dataclass(frozen=True)
class Core:
    """A core to compile for, and the emulated board that runs it."""

    name: str
    flags: tuple[str, ...]
    board: str  # QEMU's name, and that of the linker script
    note: str = ""
    toolchain: Toolchain = ARM


CORES = {
    core.name: core
    for core in (
        Core(
            "cortex-m0",
            ("-mcpu=cortex-m0",),
            "mps2-an385",
            "Armv6-M code on the Cortex-M3 board with the trap for unaligned access on: the emulated microbit has 16 KB",
        ),
        Core("cortex-m3", ("-mcpu=cortex-m3",), "mps2-an385"),
        Core("cortex-m4", ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"), "mps2-an386"),
        Core("cortex-m7", ("-mcpu=cortex-m7", "-mfpu=fpv5-d16", "-mfloat-abi=hard"), "mps2-an500"),
        Core("cortex-m33", ("-mcpu=cortex-m33", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard"), "mps2-an505"),
        Core("cortex-m55", ("-mcpu=cortex-m55", "-mfloat-abi=hard"), "mps3-an547"),
    )
}
RISCV32 = Core("rv32imc", ("-march=rv32imc", "-mabi=ilp32"), "virt", toolchain=RISC_V)
"""32 bits without an FPU, as of the ESP32-C3. It runs programs; nothing of `CORES` is measured on it."""


@dataclasses.dataclass(frozen=True)
class Image:
    """A program that is ready to run."""

    core: Core
    path: Path


@dataclasses.dataclass(frozen=True)
class Symbol:
    """A function or variable of an image: address, bytes and section."""

    address: int
    size: int
    section: str


@dataclasses.dataclass(frozen=True)
class Run:
    """The result of a run: bytes written, messages, instructions in total and of every call of each marked function."""

    output: bytes
    messages: str
    instructions: int
    calls: dict[str, list[int]]


def need(program: str) -> str:
    """`program` itself where it is installed; UserError naming its Debian package where not."""
    if shutil.which(program) is None:
        raise UserError(f"{program}: not installed; apt-get install {PACKAGES[program]}")
    return program


def call(command: Sequence[str | Path]) -> str:
    """Run a compiler or a binary tool; its standard output. UserError with its first error where it fails."""
    need(str(command[0]))
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, errors="replace")
    if done.returncode:
        # What collect2 says is that the linker failed; a warning before it, which is an error here, says why.
        lines = [line for line in done.stderr.splitlines() if not line.startswith("collect2:")]
        lines = lines or [f"exit status {done.returncode}"]
        first = next((line for line in lines if re.search("error:|Error:|undefined reference", line)), lines[0])
        raise UserError(f"{command[0]}: {first.strip()}")
    return done.stdout


def compile(
    core: Core, sources: Sequence[Path], include_dirs: Sequence[Path], out: Path, flags: Sequence[str] = ()
) -> Image:
    """Compile C99 `sources` with all that boards/guest.h offers and link them for the core's board into `out`.

    Optimised with -O2; a warning is an error. `flags` go to compiler and linker, such as
    "-Wl,--defsym=__stack_size=0x8000". Raises UserError with the compiler's first error.
    """
    return compile_bare(core, [*sorted(BOARDS.glob("*.c")), *sources], [*include_dirs, BOARDS], out, [*PLAIN, *flags])


def compile_bare(
    core: Core, sources: Sequence[Path], include_dirs: Sequence[Path], out: Path, flags: Sequence[str] = ()
) -> Image:
    """As `compile`, but only with the startup code and semihosting of examples/baremetal."""
    toolchain = core.toolchain
    shared = [toolchain.port / "startup.c", BAREMETAL / "semihosting.c"]
    includes = [f"-I{folder}" for folder in (*include_dirs, BAREMETAL)]
    call(
        [
            toolchain.compiler,
            *toolchain.flags,
            *core.flags,
            *OPTIMISATION,
            *WARNINGS,
            *includes,
            *LINKING,
            *(f"-L{folder}" for folder in dict.fromkeys((toolchain.port, BAREMETAL))),
            f"-T{core.board}.ld",
            *flags,
            *shared,
            *sources,
            "-o",
            out,
        ]
    )
    return Image(core, out)


def symbols(path: Path) -> dict[str, Symbol]:
    """Functions and variables of an ELF file by name; the last of those with the same name."""
    found = {}
    for line in call([NM, "--format=sysv", path]).splitlines():
        fields = [field.strip() for field in line.split("|")]
        if len(fields) == 7 and fields[3] in ("FUNC", "OBJECT"):
            found[fields[0]] = Symbol(int(fields[1], 16) & ~1, int(fields[4] or "0", 16), fields[6])
    return found


def sections(path: Path) -> dict[str, int]:
    """Bytes of every section of an ELF file that takes memory on the device."""
    table = re.findall(r"^(\.\S+)\s+(\d+)\s+\d+$", call([SIZE, "-A", path]), re.M)
    return {name: int(size) for name, size in table if not name.startswith((".debug", ".comment", ".ARM.attributes"))}


def footprint(
    core: Core, sources: Sequence[Path], include_dirs: Sequence[Path], roots: Sequence[str], weights: str = ""
) -> dict[str, int]:
    """Bytes of flash and static RAM of `sources` in a firmware that calls the functions `roots`.

    They are linked with the parts of libgcc and the C library that they need, without unused functions: `code`,
    `constants`, `flash` (both, and the initial values of variables) and `ram`, their variables. `weights`: bytes of the
    constants whose name matches the regular expression `weights`.
    """
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "alone.elf"
        call(
            [
                COMPILER,
                "-mthumb",
                *core.flags,
                *OPTIMISATION,
                *WARNINGS,
                *PLAIN,
                *(f"-I{path}" for path in include_dirs),
                *LINKING,
                "-Wl,-e,0",
                *(f"-Wl,--undefined={root}" for root in roots),
                *sources,
                "-o",
                image,
            ]
        )
        known = symbols(image)
        missing = sorted(set(roots) - set(known))
        if missing:
            raise UserError(f"{missing[0]}: not in {', '.join(path.name for path in sources)}")
        sizes = sections(image)
    code = sizes.get(".text", 0)
    constants = sum(size for name, size in sizes.items() if name.startswith((".rodata", ".ARM.ex")))
    data = sizes.get(".data", 0)
    return {
        "code": code,
        "constants": constants,
        "flash": code + constants + data,
        "ram": data + sizes.get(".bss", 0),
        "weights": sum(
            symbol.size
            for name, symbol in known.items()
            if symbol.section.startswith(".rodata") and re.fullmatch(weights, name)
        ),
    }


@functools.cache
def plugin() -> Path:
    """The counting plugin; compiled unless it is cached for these sources and this compiler."""
    sources = [HERE / "icount_plugin.c", HERE / "qemu_plugin.h"]
    command = [HOST_COMPILER, "-std=gnu99", "-O2", *WARNINGS, "-shared", "-fPIC"]
    key = json.dumps([command, call([HOST_COMPILER, "--version"]), *(path.read_text() for path in sources)])
    path = CACHE / f"icount_plugin-{hashlib.sha256(key.encode()).hexdigest()[:16]}.so"
    if not path.is_file():
        with replacing(path) as temporary:
            call([*command, "-o", temporary, sources[0]])
    return path


def run_qemu(
    image: Image, folder: Path, timeout: float, name: str, options: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Run `image` in QEMU; its files `input` and `output` are in `folder`. timeout: seconds. name: of the run, in messages.

    Raises GuestError where it does not end in time; its exit status is left to the caller.
    """
    command = [
        need(image.core.toolchain.emulator),
        "-M",
        image.core.board,
        *image.core.toolchain.options,
        "-display",
        "none",
        "-monitor",
        "none",
        "-serial",
        "none",
        "-semihosting-config",
        "enable=on,target=native",
        "-kernel",
        str(image.path.resolve()),
        *options,
    ]
    try:
        return subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        raise GuestError(f"{name}: still running after {timeout:g} s; stopped") from None


def run(image: Image, data: bytes = b"", marks: Sequence[str] = (), timeout: float = 60) -> Run:
    """Run `image`; `data` is what `host_read` returns. `marks` are functions whose calls are counted one by one.

    A call counts from the function's first instruction to its return, with all that it calls.
    Raises GuestError, one line, where the program faults, returns other than 0 or runs for more than
    `timeout` seconds, and UserError where a marked function is not in the image.
    """
    known = symbols(image.path)
    unknown = [name for name in marks if name not in known]
    if unknown:
        raise UserError(f"{image.path}: has no function {unknown[0]} to count")
    name = f"{image.path.name} on {image.core.name} ({image.core.board})"
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "input").write_bytes(data)
        (work / "output").touch()
        arguments = ["out=counts"] + [f"mark={mark}:{known[mark].address:#x}" for mark in marks]
        options = ["-plugin", ",".join([str(plugin()).replace(",", ",,"), *arguments])]
        done = run_qemu(image, work, timeout, name, options)
        if done.returncode:
            raise GuestError(f"{name}: {failure(done.returncode, done.stderr, known)}")
        counts = json.loads((work / "counts").read_text())
        output = (work / "output").read_bytes()
    if counts["errors"]:
        raise GuestError(f"{name}: {counts['errors'][0]}, so its calls could not be counted")
    return Run(output, done.stderr, counts["instructions"], counts["calls"])


def failure(status: int, messages: str, known: dict[str, Symbol]) -> str:
    """Why a run ended badly, from QEMU's exit status and its standard error."""
    fault = re.search(r"^fault exception=(\w+) pc=(\w+) cfsr=(\w+) address=(\w+)$", messages, re.M)
    if status == FAULT_EXIT and fault:
        exception, pc, cfsr, address = (int(value, 16) for value in fault.groups())
        cause = next((text for bit, text in CAUSES if cfsr & bit), f"exception {exception}")
        at = f" at {address:#010x}" if cfsr & 0x8000 else ""  # BFARVALID
        name = next((name for name, s in known.items() if s.address <= pc < s.address + s.size), "an unknown function")
        where = f" in {name}, pc {pc:#010x}" if pc else ""  # on some cores lost in a stack overflow
        return f"fault{where}: {cause}{at} (CFSR {cfsr:#010x})"
    if "Lockup" in messages:
        return "locked up: a fault whose handler faulted"
    lines = messages.splitlines()
    return f"ended with status {status}" + (f": {lines[-1]}" if lines else "")
