"""What the tests share."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
MODEL = ROOT / "models" / "embedded"
PDF = ROOT / "crates" / "longspan-documents" / "tests" / "golden" / "pdf"

PUMP = "The pump was installed in May 1911 by Ada Brown 🚰.\nIt stopped in 1923.\n"
BREAD = "Bread is made from flour, water and salt. It is baked in an oven.\n"
WHO, WHEN = "Who installed the pump?", "When was the pump installed?"


def bits(answer):
    """What does not depend on the time that the model took."""
    return {key: value for key, value in answer.to_dict().items() if key != "seconds"}
