"""The fixture `portcullis`: one server for each session, or for each worker of pytest-xdist."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .server import Portcullis


@pytest.fixture(scope="session")
def portcullis_options() -> dict[str, Any]:
    """How the server is started: override it, as in `return {"env": {"REGISTRATION": "invite"}}`."""
    return {}


@pytest.fixture(scope="session")
def portcullis(portcullis_options: dict[str, Any]) -> Iterator[Portcullis]:
    """A server that is ready."""
    with Portcullis(**portcullis_options) as server:
        yield server
