"""`make budget`: which width fits a chip, with figures that are worked out by hand."""

from __future__ import annotations

import dataclasses
import json
import shutil

import pytest
from test_makefile import make

from benchmarks.accuracy import known_accuracy
from benchmarks.cost import baseline, budget, needs, quantities
from benchmarks.cost.emulator import CORES
from benchmarks.listening import streaming
from common import shipped as shipped_files
from common.build_folder import NATIVE
from common.description import LABELS, TAUS
from common.errors import UserError
from common.reading import sha256
from detector import settings
from detector.settings import Settings
from engine import network, render
from engine.random_network import random_network
from frontend.render import pipeline_id

FRONTEND = {
    "frontend_hop": 20_000,
    "frontend_clip": 2_000_000,
    "frontend_state_bytes": 3000,
    "frontend_stack_bytes": 400,
    "frontend_flash_bytes": 7000,
}
DETECTOR = {
    "detector_hop": 400,
    "detector_state_bytes": 50,
    "detector_stack_bytes": 60,
    "detector_flash_bytes": 700,
}
BESIDE = FRONTEND | DETECTOR
CHIP = ("--ram", "20k", "--flash", "64k", "--clock", "80MHz")


def engine(tau: float) -> dict:
    """Figures of an engine that grow with its width."""
    return {
        "network_window": int(4_000_000 * tau),
        "network_hop": int(40_000 * tau),
        "engine_state_bytes": int(11_000 * tau),
        "stream_state_bytes": 700,
        "stack_bytes": 300,
        "engine_flash_bytes": int(30_000 * tau),
    }


def heard(native: str, decided: Settings | None = None) -> dict:
    """`native` of a verification: of a network with that SHA-256, and of a detector, by default one that nothing was chosen
    for."""
    return {"sha256": native, "stream": streaming.settings(58, decided or settings.default(LABELS))}


def ship(
    tau: float, top1: float, ci95: list[float], clips: int = 5013, data: str = "official", float_top1: float | None = None
) -> None:
    """Write a checkpoint and its verification: top-1 of the engine, and in float (by default the same)."""
    checkpoint = shipped_files.checkpoint_path(tau)
    checkpoint.write_bytes(f"the checkpoint of tau {tau}".encode())
    row = {"top1": top1, "ci95": ci95}
    figures = {
        "labels": list(LABELS),
        "native": heard(str(tau)),
        "clips": clips,
        "data": {"sha256": data},
        "measured": "2031-05-06",
        "checkpoint": {"sha256": sha256(checkpoint)},
        "backends": {"pytorch": row | {"top1": top1 if float_top1 is None else float_top1}},
        "device_backends": {"native": row, "native_stream": row},
    }
    shipped_files.recorded_path(tau, "accurate").write_text(json.dumps(figures))


@pytest.fixture
def agreed(monkeypatch, tmp_path) -> dict:
    """A baseline of round figures and a verified checkpoint of tau = 1, in a folder without any build."""
    monkeypatch.setattr(shipped_files, "CHECKPOINTS", tmp_path / "checkpoints")
    shipped_files.CHECKPOINTS.mkdir()
    ship(1, 0.9437, [0.937, 0.9498])
    figures = {
        "recorded": "2031-05-07",
        "compiler": "a compiler",
        "agreement": {},
        "frontend": dict.fromkeys(CORES, FRONTEND),
        "detector": dict.fromkeys(CORES, DETECTOR),
        "taus": {f"{tau:g}": {"weights": "random", "boards": {core: engine(tau) for core in CORES}} for tau in TAUS},
    }
    path = tmp_path / "baseline.json"
    path.write_text(json.dumps(figures))
    monkeypatch.setattr(baseline, "PATH", path)
    monkeypatch.chdir(tmp_path)
    return figures


def test_a_stream_needs_state_of_all_parts_and_the_deeper_stack():
    need = needs.need(BESIDE | engine(1), None)
    assert need.ram_bytes == 11_000 + 700 + 3000 + 50 + 400
    assert need.flash == 37_700
    assert need.instructions == 100 * (20_000 + 40_000 + 400)


def test_a_window_needs_a_second_of_features_and_one_network_in_every_period():
    need = needs.need(BESIDE | engine(1), 0.25)
    assert need.ram_bytes == 11_000 + 700 + 3000 + 50 + 400 + 101 * 40
    assert need.instructions == 100 * 20_000 + 4 * (4_000_000 + 400)


def test_load_is_instructions_times_cpi_of_the_clock_and_may_reach_the_limit():
    need = needs.need(BESIDE | engine(1), None)
    limits = needs.Limits(need.ram_bytes, need.flash, clock=18.12e6, every=None, cpi=1.5, load=0.5)
    assert need.load(limits) == 0.5 and need.reasons(limits) == []
    tighter = needs.Limits(need.ram_bytes - 1, need.flash - 1, clock=18.1e6, every=None, cpi=1.5, load=0.5)
    assert [reason.split()[0] for reason in need.reasons(tighter)] == ["RAM", "flash", "load"]


def test_the_widest_that_fits_is_the_answer_with_its_accuracy(agreed, capsys):
    assert budget.main([*CHIP]) == 0
    out = capsys.readouterr().out
    answer = [line for line in out.splitlines() if line.startswith("the best")]
    assert answer == [
        "the best model that fits cortex-m4: tau 1, accuracy 94.37 % [93.70, 94.98] (5,013 clips), recorded 2031-05-06"
    ]
    assert "20,480" in out and "1.5 cycles an instruction" in out and "unless measured on your board" in out


def test_a_width_without_a_checkpoint_is_not_trained_yet_and_the_trained_one_is_named_too(agreed, capsys):
    assert budget.main(["--ram", "64k", "--flash", "128k", "--clock", "80MHz"]) == 0
    best, ready = [line for line in capsys.readouterr().out.splitlines() if line.startswith("the best")]
    assert "tau 3, accuracy not trained yet: make train TAU=3 (in the paper 98.2 %" in best
    assert ready.startswith("the best of those that are trained: tau 1,")


@pytest.mark.parametrize("of_the_wider, best", [(0.95, "1.5"), (0.94, "1")])
def test_of_trained_widths_the_most_accurate_is_the_best(agreed, capsys, of_the_wider, best):
    ship(1.5, of_the_wider, [of_the_wider - 0.01, of_the_wider + 0.01], float_top1=0.1)
    assert budget.main(["--ram", "24k", "--flash", "64k", "--clock", "80MHz"]) == 0
    answer = [line for line in capsys.readouterr().out.splitlines() if line.startswith("the best")]
    assert len(answer) == 1 and f"tau {best}, accuracy 9" in answer[0]


def test_an_accuracy_over_a_few_other_clips_beats_no_width_that_was_verified_over_many(agreed, capsys):
    ship(1.5, 1.0, [0.44, 1.0], clips=3, data="mine")
    assert budget.main(["--ram", "24k", "--flash", "64k", "--clock", "80MHz"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("the best") and "tau 1, accuracy 94.37" in line for line in lines)
    assert lines[-1] == "tau 1.5 is not compared: it was verified over 3 other clips"
    assert any(line.endswith("100.00 % over 3 other clips") for line in lines)


@pytest.mark.parametrize(
    "data, compared",
    [({1: ("a", 9), 2: ("b", 3), 3: ("b", 3)}, [2, 3]), ({1: ("a", 3), 2: ("b", 9)}, [2]), ({1: ("a", 3)}, [1]), ({}, [])],
)
def test_compared_are_verifications_over_the_same_clips_as_most(data, compared):
    found = {tau: known_accuracy.Accuracy("measured", "", clips, of, None, {}) for tau, (of, clips) in data.items()}
    assert list(known_accuracy.over_the_same_clips(found)) == compared


def test_a_build_that_was_renamed_to_another_width_is_told(agreed, tau1_build, tmp_path, failure):
    shutil.copytree(tau1_build, tmp_path / "build" / "tau3")
    assert "build/tau3/conversion.json: holds tau 1, not 3" in failure(budget.main, *CHIP)


@pytest.mark.parametrize("tau, status", [("1", 0), ("1.5", 0), ("2", 1), ("8", 1)])
def test_the_chosen_width_decides_the_exit_status(agreed, capsys, tau, status):
    assert budget.main(["--ram", "21k", "--flash", "64k", "--clock", "80MHz", "--tau", tau]) == status
    verdict = "fits" if status == 0 else "does not fit"
    assert f"tau {tau} {verdict} cortex-m4: " in capsys.readouterr().out


def test_a_chip_that_nothing_fits_fails_and_says_why(agreed, capsys):
    assert budget.main(["--ram", "8k", "--flash", "64k", "--clock", "80MHz"]) == 1
    assert "no model fits cortex-m4; the smallest, tau 1: RAM 15,150 > 8,192" in capsys.readouterr().out


def test_the_core_decides(agreed, capsys):
    agreed["taus"]["1"]["boards"]["cortex-m0"]["network_hop"] = 1_000_000
    baseline.PATH.write_text(json.dumps(agreed))
    assert budget.main([*CHIP, "--tau", "1", "--core", "cortex-m0"]) == 1
    assert "tau 1 does not fit cortex-m0: load 191.3 > 70 %" in capsys.readouterr().out
    assert budget.main([*CHIP, "--tau", "1", "--core", "cortex-m3"]) == 0


def test_windows_ever_more_often_stop_fitting(agreed):
    window = (*CHIP, "--tau", "1", "--mode", "window", "--every")
    assert budget.main([*window, "1s"]) == 0 and budget.main([*window, "10ms"]) == 1


def test_every_width_and_core_is_in_the_table(agreed, capsys):
    budget.main([*CHIP, "--mode", "window"])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 120
    start = next(index for index, line in enumerate(lines) if line.split()[1:] == list(CORES))
    assert [line.split()[0] for line in lines[start + 1 : start + 1 + len(TAUS)]] == [f"{tau:g}" for tau in TAUS]


@pytest.mark.parametrize(
    "text, value", [("20k", 20_480), ("64kB", 65_536), ("64KiB", 65_536), ("1M", 1 << 20), ("20480", 20_480), ("0.5k", 512)]
)
def test_sizes(text, value):
    assert quantities.size("RAM", text, "20k") == value


@pytest.mark.parametrize(
    "text, value", [("80MHz", 80e6), ("80M", 80e6), ("80000000", 80e6), ("32.768kHz", 32768), ("1.2GHz", 1.2e9)]
)
def test_clocks(text, value):
    assert quantities.clock("CLOCK", text) == pytest.approx(value)


@pytest.mark.parametrize(
    "option, value, line",
    [
        ("--ram", "20q", "RAM=20q: say for example RAM=20k"),
        ("--ram", "", "RAM: not given"),
        ("--flash", "-1k", "FLASH=-1k"),
        ("--clock", "0", "CLOCK=0: say for example CLOCK=80MHz"),
        ("--clock", "80kB", "CLOCK=80kB"),
        ("--clock", "80", "CLOCK=80: that is 80 Hz"),
        ("--mode", "foo", "MODE=foo: does not exist; choose one of stream, window"),
        ("--every", "100", "EVERY=100: a stream has scores every 10 ms; add MODE=window"),
        ("--cpi", "0", "CPI=0"),
        ("--cpi", "nan", "CPI=nan"),
        ("--load", "101", "LOAD=101: above 100"),
        ("--load", "x", "LOAD=x"),
        ("--core", "cortex-m1", "CORE=cortex-m1: does not exist; choose one of cortex-m0"),
        ("--tau", "4", "tau 4 does not exist"),
    ],
)
def test_bad_values_are_one_line_and_status_2(agreed, capsys, option, value, line):
    arguments = dict(zip(CHIP[::2], CHIP[1::2])) | {option: value}
    assert budget.main([f"{name}={text}" for name, text in arguments.items()]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1 and printed.err.startswith(f"error: {line}")


@pytest.mark.parametrize("every, line", [("100", "EVERY=100: say"), ("5ms", "EVERY=5ms: a window ends")])
def test_a_bad_period_of_windows_is_told(agreed, failure, every, line):
    assert f"error: {line}" in failure(budget.main, *CHIP, "--mode", "window", "--every", every)


@pytest.mark.parametrize("damage, line", [(None, "missing"), ("[]", "no JSON object"), ("{}", "figures are missing")])
def test_a_damaged_baseline_is_one_line(agreed, failure, damage, line):
    baseline.PATH.unlink() if damage is None else baseline.PATH.write_text(damage)
    assert line in failure(budget.main, *CHIP)


def bench_of(made: network.Network, **changes) -> dict:
    """bench.json of a network that takes one instruction a hop."""
    boards = {core: BESIDE | engine(1) | {"network_hop": 1} for core in CORES}
    return {"engine": render.engine_id(made), "pipeline": pipeline_id(), "boards": boards} | changes


def test_a_longer_window_has_its_own_bytes_once_it_is_benched_and_a_note_before(agreed, tmp_path, capsys):
    made, build = random_network(1, clip_samples=20_800), tmp_path / "build" / "tau1"
    network.save(build / NATIVE, made)
    where, boards = needs.costs()[1]
    assert "a window of one second (that of build/tau1 is longer: make bench TAU=1)" in where
    assert needs.need(boards["cortex-m4"], 0.1).ram["window"] == 101 * 40
    assert "longer" not in needs.costs()[2][0]
    own = bench_of(made, pipeline=pipeline_id(made.features))
    (build / "bench.json").write_text(json.dumps(own))
    where, boards = needs.costs()[1]
    assert where.startswith("build/tau1/bench.json") and needs.need(boards["cortex-m4"], 0.1).ram["window"] == 131 * 40
    budget.main([*CHIP, "--mode", "window"])
    assert "4,040 or 5,240 bytes of features for a window" in capsys.readouterr().out


def test_the_bench_of_this_very_engine_goes_before_the_baseline(agreed, tmp_path):
    made, build = random_network(1), tmp_path / "build" / "tau1"
    network.save(build / NATIVE, made)
    for changes, origin in (
        ({}, "build/tau1/bench.json"),
        ({"engine": "0" * 16}, "baseline.json"),
        ({"pipeline": "0" * 16}, "baseline.json"),
        ({"boards": {}}, "baseline.json"),
    ):
        (build / "bench.json").write_text(json.dumps(bench_of(made, **changes)))
        where, boards = needs.costs()[1]
        assert where.startswith(origin) and (boards["cortex-m4"]["network_hop"] == 1) == (not changes)


def test_the_shipped_baseline_has_every_width_and_core():
    figures = baseline.load()
    assert list(figures["taus"]) == [f"{tau:g}" for tau in TAUS]
    for width in figures["taus"].values():
        assert list(width["boards"]) == list(figures["frontend"]) == list(CORES)


def test_accuracy_is_of_the_build_where_it_was_verified_else_of_the_shipped_checkpoint(agreed, tmp_path):
    assert known_accuracy.find(1).origin == "recorded" and known_accuracy.find(1).clips == 5013
    build, row = tmp_path / "build" / "tau1", {"top1": 0.5, "ci95": [0.4, 0.6], "agreement": 0.9}
    build.mkdir(parents=True)
    (build / NATIVE).write_bytes(b"a network")
    figures = {
        "labels": list(LABELS),
        "clips": 40,
        "data": {"sha256": "mine"},
        "measured": "2031-05-07",
        "backends": {"pytorch": row},
        "device_backends": {"native": row},
    }
    (build / "verify.json").write_text(json.dumps(figures | {"native": heard("0" * 64)}))
    assert known_accuracy.find(1).origin == "recorded"
    own = sha256(build / NATIVE)
    (build / "verify.json").write_text(json.dumps(figures | {"native": heard(own)}))
    found = known_accuracy.find(1)
    assert found.origin == "measured" and found.text("native") == "50.00 % [40.00, 60.00] (40 clips)"
    assert found.text("native_stream").endswith("in float, not verified in a stream with these thresholds")
    record = shipped_files.CHECKPOINTS / "tau1-accurate.verify.json"
    recorded = json.loads(record.read_text())
    record.write_text(json.dumps(recorded | {"native": heard(own)}))  # of the same network, over more clips
    assert known_accuracy.find(1).clips == 5013
    (build / "verify.json").write_text(json.dumps({"native": heard(own)}))
    with pytest.raises(UserError, match="not a verification"):
        known_accuracy.find(1)


def test_the_record_of_the_shipped_network_says_nothing_of_a_build_of_other_words(agreed, tau1_build, tmp_path):
    build = shutil.copytree(tau1_build, tmp_path / "build" / "tau1")
    record = shipped_files.CHECKPOINTS / "tau1-accurate.verify.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"labels": ["yes", "no"]}))
    for labels, origin in ((["yes", "no"], "recorded"), (["lamp", "door"], None)):
        conversion = json.loads((tau1_build / "conversion.json").read_text())
        (build / "conversion.json").write_text(json.dumps(conversion | {"labels": labels}))
        found = known_accuracy.find(1)
        assert (found and found.origin) == origin
    assert known_accuracy.trained(1)


@pytest.fixture
def tuned(agreed, tmp_path) -> Settings:
    """Thresholds that were chosen for the network in build/tau1 after it was verified; a wider network is shipped."""
    ship(1.5, 0.95, [0.94, 0.96], float_top1=0.9)
    build = tmp_path / "build" / "tau1"
    network.save(build / NATIVE, random_network(1))
    own = sha256(build / NATIVE)
    decided = dataclasses.replace(settings.default(LABELS), native=own, pause_ms=0)
    settings.save(build / settings.FILE, decided)
    rows = {
        "pytorch": {"top1": 0.96, "ci95": [0.9, 1.0]},
        "native": {"top1": 0.945, "ci95": [0.9, 1.0]},
        "native_stream": {"top1": 0.99, "ci95": [0.9, 1.0]},
    }
    figures = {
        "labels": list(LABELS),
        "native": heard(own),
        "clips": 5013,
        "data": {"sha256": "official"},
        "measured": "2031-05-08",
        "backends": {"pytorch": rows["pytorch"]},
        "device_backends": rows,
    }
    (build / "verify.json").write_text(json.dumps(figures))
    return decided


def test_a_stream_that_was_verified_with_other_thresholds_says_nothing_of_these(tuned, tmp_path, capsys):
    found = known_accuracy.find(1)
    assert found.origin == "measured" and set(found.rows) == {"float", "native"}
    assert found.text("native").startswith("94.50 %") and "not verified in a stream" in found.text("native_stream")
    assert budget.main(["--ram", "24k", "--flash", "64k", "--clock", "80MHz"]) == 0
    answer = [line for line in capsys.readouterr().out.splitlines() if line.startswith("the best")]
    assert "tau 1.5, accuracy 95.00 %" in answer[0], "over whole clips, 0.95 against 0.945; in float it is 0.9 against 0.96"
    path = tmp_path / "build" / "tau1" / "verify.json"
    figures = json.loads(path.read_text())
    path.write_text(json.dumps(figures | {"native": heard(tuned.native, tuned), "clips": 40}))
    shipped_files.recorded_path(1, "accurate").write_text(
        json.dumps(figures | {"checkpoint": {"sha256": sha256(shipped_files.checkpoint_path(1))}})
    )
    assert known_accuracy.find(1).clips == 40, "the one with a stream of these thresholds"
    assert known_accuracy.find(1).text("native_stream").startswith("99.00 %")


def test_a_verification_of_another_checkpoint_says_nothing_of_this_one(agreed, capsys):
    (shipped_files.CHECKPOINTS / "tau1.safetensors").write_bytes(b"a better one")
    assert known_accuracy.find(1) is None
    assert budget.main([*CHIP]) == 0
    assert "tau 1, accuracy not verified yet: make verify TAU=1" in capsys.readouterr().out


def test_make_budget_names_the_best_unless_a_width_is_chosen():
    chip = ("RAM=20k", "FLASH=64k", "CLOCK=80MHz", "MODE=stream")
    done = make("budget", *chip)
    assert done.returncode == 0 and "the best model that fits cortex-m4: tau 1," in done.stdout
    assert "tau 1 fits" not in done.stdout
    assert "tau 1 fits cortex-m4" in make("budget", *chip, "TAU=1").stdout
    assert make("budget", *chip, "TAU=8").returncode != 0
