"""What the pages on integration tell to compile: their program, by their own command, links."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from common.shipped import ROOT

PAGES = ROOT / "docs" / "integration"
BAREMETAL = ROOT / "examples" / "baremetal"
YOURS = """
void start_listening(void);
void hear(const int16_t *samples, uint32_t count);

int main(void) {
  static int16_t samples[160];

  start_listening();
  hear(samples, 160);
  return 0;
}
"""
REPORT = (
    "static void report(const char *word, uint8_t confidence, uint32_t ms) { (void)word; (void)confidence; (void)ms; }\n"
)


def block(page: str, language: str, holds: str) -> str:
    """The one fenced block of a page in a language that holds a text."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", (PAGES / page).read_text(), re.M | re.S)
    (text,) = (body for body in found if holds in body)
    return text


@pytest.mark.parametrize("compiler", ["gcc", "arm-none-eabi-gcc"])
def test_the_program_of_the_page_links_by_the_line_of_bare_metal(compiler, tau1_build, tmp_path):
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    program = block("index.md", "c", "kws_frontend_push").replace("static kws_frontend", REPORT + "\nstatic kws_frontend")
    (tmp_path / "your_main.c").write_text(program + YOURS)
    line = block("bare-metal.md", "sh", "your_main.c").replace("build/tau1/firmware", str(tau1_build / "firmware"))
    if compiler == "gcc":  # this machine's, which needs neither startup code nor a linker script
        line = re.sub(r"-m\S+ |your_startup.c|-nostartfiles|-T \S+", "", line).replace("arm-none-eabi-gcc", "gcc")
    else:
        startup = f"{BAREMETAL}/startup.c {BAREMETAL}/semihosting.c"
        line = line.replace("your_startup.c", startup).replace("your_chip.ld", f"mps2-an386.ld -L{BAREMETAL}")
    subprocess.run(["bash", "-ec", line], cwd=tmp_path, check=True)
    assert (tmp_path / "keyword.elf").is_file()
