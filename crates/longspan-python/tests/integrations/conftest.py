"""Recipes are run as they stand in the README, between `<!-- recipe: NAME -->` and the end of the block."""

import re
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[2] / "README.md"


@pytest.fixture
def recipe():
    def run(name, **names):
        [code] = re.findall(rf"<!-- recipe: {name} -->\n```python\n(.*?)```", README.read_text(), re.DOTALL)
        exec(compile(code, f"{README}: {name}", "exec"), names)
        return names

    return run
