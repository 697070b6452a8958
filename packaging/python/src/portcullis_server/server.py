"""The server as a process of this one."""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from .mail import Mail, parse

BINARY = Path(__file__).parent / "bin" / "portcullis"
# Whatever else is set where the tests run, as DATABASE_URL of another program, is not for this server.
INHERITED = (
    "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "RUST_BACKTRACE", "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR", "TZ",
)  # fmt: skip
# What the constructor decides itself.
OWN = {"listen": "use `port`", "data-dir": "the data is thrown away"}
# Tests register many users from one address, and no one attacks their passwords.
QUICK = {"RATE_LIMITS": "off", "ARGON2_MEMORY_KIB": "64", "ARGON2_ITERATIONS": "1"}
# Logged when it listens. By it another server on the same port is told apart.
LISTENS = "portcullis::cli::serve=info"
LOG_LENGTH_MAX = 256 * 1024
PORT_TRIES_MAX = 5
STOP_MAX_SECONDS = 5
# No proxy stands between a test and its server.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class PortcullisError(Exception):
    """The server did not start, or a verb failed."""


class Portcullis:
    """A server, from its construction until `stop` or the end of a `with` block.

    `args` are flags of `portcullis serve`, and `env` settings: the server inherits no others from this process. Without
    a `port` it gets a free one. `binary` is another binary of Portcullis, such as a program with an extension. `on_log`
    gets each line that the server logs, in a thread of its own.
    """

    def __init__(
        self,
        *,
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        port: int = 0,
        binary: str | os.PathLike[str] = BINARY,
        timeout: float = 30,
        on_log: Callable[[str], object] | None = None,
    ) -> None:
        self._args = list(args)
        self._env = dict(env or {})
        self._binary = os.fspath(binary)
        self._on_log = on_log
        self._log = ""
        for flag, instead in OWN.items():
            is_given = any(arg == f"--{flag}" or arg.startswith(f"--{flag}=") for arg in self._args)
            if is_given or flag.replace("-", "_").upper() in self._env:
                raise ValueError(f"Portcullis sets --{flag} itself: {instead}")
        self._folder = Path(tempfile.mkdtemp(prefix="portcullis-"))
        self.data_dir = self._folder / "data"
        # No `.env` lies in there.
        self._cwd = self._folder / "empty"
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        atexit.register(self.stop)
        try:
            self._cwd.mkdir()
            self._start(port, time.monotonic() + timeout)
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Portcullis:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it listens, such as `http://localhost:49152`. GraphQL is at `/graphql`."""
        return f"http://localhost:{self.port}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def log(self) -> str:
        """The end of what the server has logged."""
        return self._log

    def mails(self, **wanted: str) -> list[Mail]:
        """The mails so far whose fields have these values, the oldest first.

        A mail is written within a second of the call that causes it.
        """
        # Their names begin with the time.
        files = sorted((self.data_dir / "mail").glob("*.eml"))
        mails = filter(None, map(parse, files))
        return [mail for mail in mails if all(getattr(mail, field) == value for field, value in wanted.items())]

    def wait_for_mail(self, *, timeout: float = 10, **wanted: str) -> Mail:
        """The newest such mail, as soon as there is one."""
        deadline = time.monotonic() + timeout
        while True:
            if found := self.mails(**wanted):
                return found[-1]
            if time.monotonic() > deadline:
                raise PortcullisError(f"no mail has come that is {wanted}")
            time.sleep(0.05)

    def run(self, verb: Sequence[str], *, input: str = "") -> str:
        """Runs another verb of the binary on the same data, such as `["admin", "list"]`, and returns its output."""
        command = [self._binary, *verb, *self._args]
        done = subprocess.run(
            command, cwd=self._cwd, env=self._environment(), input=input, capture_output=True, encoding="utf-8", check=False
        )
        if done.returncode != 0:
            raise PortcullisError(f"portcullis {' '.join(verb)} ended with {done.returncode}:\n{done.stderr}")
        return done.stdout

    def stop(self) -> None:
        """Stops the server and deletes its data."""
        atexit.unregister(self.stop)
        self._end()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self, port: int, deadline: float) -> None:
        for tries in range(1, PORT_TRIES_MAX + 1):
            self.port = port or _free_port()
            self._log = ""
            self._process = subprocess.Popen(
                [self._binary, "serve", *self._args],
                cwd=self._cwd,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
            )
            self._reader = threading.Thread(target=self._read, daemon=True)
            self._reader.start()
            try:
                return self._wait(deadline)
            except PortcullisError:
                self._end()
                # Somebody was quicker. Nobody may be, on a port that was asked for.
                if port or tries == PORT_TRIES_MAX or "cannot listen on" not in self._log:
                    raise

    def _wait(self, deadline: float) -> None:
        listens = f"listening on http://127.0.0.1:{self.port}"
        while listens not in self._log or not self._answers():
            if not self.is_running():
                # After its output has been read.
                self._end()
                raise PortcullisError(f"the server ended while it started:\n{self._log}")
            if time.monotonic() > deadline:
                raise PortcullisError(f"the server is not ready in time:\n{self._log}")
            time.sleep(0.02)

    def _read(self) -> None:
        assert self._process is not None and self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                self._log = (self._log + line)[-LOG_LENGTH_MAX:]
                if self._on_log:
                    self._on_log(line)

    def _answers(self) -> bool:
        try:
            with _DIRECT.open(f"http://127.0.0.1:{self.port}/readyz", timeout=5):
                return True
        except OSError:
            return False

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_MAX_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._reader:
            self._reader.join(STOP_MAX_SECONDS)

    def _environment(self) -> dict[str, str]:
        return {
            **{name: os.environ[name] for name in INHERITED if name in os.environ},
            "PUBLIC_URL": self.url,
            **QUICK,
            **self._env,
            "LISTEN": f"127.0.0.1:{self.port}",
            "DATA_DIR": str(self.data_dir),
            "RUST_LOG": f"{self._env.get('RUST_LOG', 'info')},{LISTENS}",
        }


def _free_port() -> int:
    """A port that nothing listens on at the moment."""
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return chosen.getsockname()[1]
