"""Reads the mails that the server writes into its folder."""

from __future__ import annotations

import email
import email.policy
import re
from dataclasses import dataclass
from pathlib import Path

_FILE = re.compile(r"(mail_[0-9a-f-]{36})-(.+)\.eml")


@dataclass(frozen=True)
class Mail:
    """A mail, with what a test looks for in it."""

    id: str
    #: Which mail it is, such as `verify-email` or `password-reset`.
    kind: str
    sender: str
    to: str
    subject: str
    text: str
    html: str
    #: The link that stands on a line of its own.
    link: str | None
    #: The token in that link.
    token: str | None
    #: The code of the mail `enrollment-code`.
    code: str | None
    raw: bytes


def parse(file: Path) -> Mail | None:
    """A mail, or None while it is being written."""
    raw = file.read_bytes()
    message = email.message_from_bytes(raw, policy=email.policy.default)
    named = _FILE.fullmatch(file.name)
    boundary = message.get_boundary()
    if named is None or boundary is None or f"--{boundary}--".encode() not in raw:
        return None
    text, html = (_content(message, kind) for kind in ("plain", "html"))
    return Mail(
        id=named[1],
        kind=named[2],
        sender=message["From"],
        to=message["To"],
        subject=message["Subject"],
        text=text,
        html=html,
        link=_first(r"^https?://\S+$", text),
        token=_first(r"\bpco_[\w-]+", text),
        code=_first(r"^\d{4} \d{4}$", text),
        raw=raw,
    )


def _content(message: email.message.EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return part.get_content().replace("\r\n", "\n").rstrip() if part else ""


def _first(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text, re.MULTILINE)
    return found[0] if found else None
