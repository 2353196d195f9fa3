"""The notebook of the documentation, executed."""

from pathlib import Path

import pytest

nbclient = pytest.importorskip("nbclient")
import nbformat  # noqa: E402

ROOT = Path(__file__).resolve().parents[4]


def test_the_notebook_runs_and_shows_answers():
    notebook = nbformat.read(ROOT / "docs" / "answers.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(ROOT)}}).execute()
    shown = [
        output["data"]["text/html"]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if "text/html" in output.get("data", {})
    ]
    assert len(shown) == 3
    assert "<mark>January 2004</mark>" in shown[0]
    assert "data:image/png;base64," in shown[1] and "position: absolute" in shown[1]
    assert "no answer" in shown[2]
