"""Starts Portcullis for tests: on a free port of this machine, with a database that is thrown away."""

from .mail import Mail
from .server import Portcullis, PortcullisError

__all__ = ["Mail", "Portcullis", "PortcullisError"]
