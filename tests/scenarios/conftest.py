"""Scenarios are files: `NAME.yaml` says what happens, `NAME.txt` is the story it must tell."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite-goldens", action="store_true", help="write the stories anew; read the diff before committing"
    )
