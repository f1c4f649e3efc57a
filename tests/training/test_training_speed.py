"""benchmarks.training_speed compares like with like."""

from __future__ import annotations

import json

import pytest
import torch

from benchmarks.training_speed import OUTPUT, PlainNetwork, main
from common.description import LABELS
from training.model import BCResNet


def test_the_plain_network_is_the_same_function():
    torch.manual_seed(0)
    ours = BCResNet(1, len(LABELS)).eval()
    torch.manual_seed(0)
    plain = PlainNetwork(1, len(LABELS)).eval()
    x = torch.randn(3, 1, 40, 101)
    with torch.no_grad():
        torch.testing.assert_close(plain(x), ours(x), rtol=0, atol=1e-5)


def test_every_contender_is_measured_against_the_first(tiny_speech_commands, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    try:
        assert (
            main(["--data", str(tiny_speech_commands), "--clips", "100", "--rounds", "1", "--threads", "1", "--json"]) == 0
        )
    finally:
        torch.set_num_threads(threads)
    written = json.loads(OUTPUT.read_text())
    speeds = [row["clips_per_second"]["median"] for row in written["rows"]]
    ratios = [row["ratio"]["median"] for row in written["rows"]]
    assert ratios == pytest.approx([speed / speeds[0] for speed in speeds])
    assert written["clips"] == 100 and written["rows"][-1]["name"] in capsys.readouterr().out


def test_too_few_clips_give_one_line(tiny_speech_commands, tmp_path, failure):
    assert "--clips 100" in failure(main, "--data", tiny_speech_commands, "--clips", 99)
    assert "no Speech Commands" in failure(main, "--data", tmp_path)
