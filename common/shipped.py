"""Paths of the files in the repository: checkpoints, the verifications recorded with them, and example sounds."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHECKPOINTS = ROOT / "checkpoints"
EXAMPLES = ROOT / "examples"


def checkpoint_path(tau: float) -> Path:
    """The path of the shipped checkpoint of this width, which may be missing."""
    return CHECKPOINTS / f"tau{tau:g}.safetensors"


def field_checkpoint_path(tau: float) -> Path:
    """That of the shipped checkpoint of this width for rooms and running speech; of the other where there is none."""
    path = CHECKPOINTS / f"tau{tau:g}-field.safetensors"
    return path if path.is_file() else checkpoint_path(tau)


def detector_path(tau: float) -> Path:
    """The detector's settings shipped with the checkpoint of this width, which may be missing."""
    return CHECKPOINTS / f"tau{tau:g}.detector.json"


def detector_paths(tau: float) -> list[Path]:
    """All detector's settings shipped for networks of this width: of its checkpoint, then of others such as tau1-field."""
    return [detector_path(tau), *sorted(CHECKPOINTS.glob(f"tau{tau:g}-*.detector.json"))]


def recorded_path(tau: float, graph: str) -> Path:
    """The verification shipped with the checkpoint of this width, for one of its graphs."""
    return CHECKPOINTS / f"tau{tau:g}-{graph}.verify.json"


def recorded_paths(tau: float) -> list[Path]:
    """All verifications shipped with the checkpoint of this width."""
    return sorted(CHECKPOINTS.glob(f"tau{tau:g}-*.verify.json"))
