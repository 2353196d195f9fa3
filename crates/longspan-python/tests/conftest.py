"""The tests run against the installed package: see the README."""

import pytest

import longspan


@pytest.fixture(scope="session")
def reader():
    return longspan.Reader(precision="f32", threads=2)
