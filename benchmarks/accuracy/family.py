"""A table of the shipped checkpoints: size, accuracy in float and int8, and the loss by int8 and by streaming.

    python -m benchmarks.family

The figures are those of the verifications recorded with the checkpoints (checkpoints/tau<T>-accurate.verify.json,
which `make verify SPLIT=all` wrote); one of another checkpoint is an error. Markdown, in per cent and points, brackets
are 95 % intervals.
"""

from __future__ import annotations

from common import checkpoint
from common.description import TAUS
from common.errors import OptionParser, UserError, one_line_errors
from common.intervals import wilson
from common.reading import read_json, sha256
from common.shipped import checkpoint_path, recorded_path
from convert.fold import fold, parameters
from convert.macs import network_macs

GRAPH = "accurate"
TEST_SET = "test-set archive"
HEAD = (
    "tau",
    "parameters",
    "MACs",
    "float",
    "float, test clips",
    "native",
    "lost",
    "TFLM",
    "lost",
    "native, in a stream",
    "streaming costs",
)


def recorded(tau: float) -> dict:
    """The recorded verification of a shipped checkpoint; UserError where it is missing or of another checkpoint."""
    path = recorded_path(tau, GRAPH)
    remedy = (
        f"record it anew: make quantize TAU={tau:g}, make verify TAU={tau:g} SPLIT=all, and copy "
        f"build/tau{tau:g}/verify.json there"
    )
    figures = read_json(path, remedy)
    if figures is None:
        raise UserError(f"{path}: missing; {remedy}")
    if figures["checkpoint"]["sha256"] != sha256(checkpoint_path(tau)):
        raise UserError(f"{path}: is of another checkpoint; {remedy}")
    return figures


def interval(value: float, low: float, high: float) -> str:
    """`-0.12 [-0.28, 0.00]`; a number that rounds to zero has no sign."""
    texts = [f"{number:.2f}".replace("-0.00", "0.00") for number in (value, low, high)]
    return f"{texts[0]} [{texts[1]}, {texts[2]}]"


def top1(figures: dict) -> str:
    """Accuracy of one backend, in per cent."""
    return interval(*(100 * number for number in (figures["top1"], *figures["ci95"])))


def lost(figures: dict) -> str:
    """Points lost against float."""
    return interval(figures["drop_points"], *figures["drop_ci95"])


def on_test_clips(figures: dict) -> str:
    """Accuracy in float over the test-set archive alone."""
    (part,) = (part for name, part in figures["parts"].items() if name.startswith(TEST_SET))
    right = round(part["top1"]["pytorch"] * part["clips"])
    return interval(*(100 * number for number in (right / part["clips"], *wilson(right, part["clips"]))))


def row(tau: float) -> list[str]:
    """The cells of one width."""
    made, figures = checkpoint.load(checkpoint_path(tau)), recorded(tau)
    native, tflm, stream = (figures["device_backends"][name] for name in ("native", "tflm", "native_stream"))
    streaming = stream["drop_against_in_noise"]
    return [
        f"{tau:g}",
        f"{parameters(made):,}",
        f"{network_macs(fold(made)) / 1e6:.2f} M",
        top1(figures["backends"]["pytorch"]),
        on_test_clips(figures),
        top1(native),
        lost(native),
        top1(tflm),
        lost(tflm),
        top1(stream),
        interval(streaming["points"], *streaming["ci95"]),
    ]


def table() -> str:
    """Markdown, a row for each width that has a checkpoint."""
    rows = [row(tau) for tau in TAUS if checkpoint_path(tau).is_file()]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (HEAD, ["---:"] * len(HEAD), *rows))


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    OptionParser("python -m benchmarks.family", __doc__).parse_args(argv)
    print(table())
