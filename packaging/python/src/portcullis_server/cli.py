"""`portcullis-server`: runs a server until it gets a signal."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from importlib.metadata import version

from .server import Portcullis, PortcullisError


class _Signalled(BaseException):
    """Somebody wants it to end."""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="portcullis-server",
        usage="%(prog)s [--port PORT] [FLAGS OF portcullis serve]",
        description="Runs a Portcullis auth server for tests until it gets a signal, with a database that is thrown away.",
        epilog='It prints {"url": …, "dataDir": …, "pid": …} when it takes requests, and logs to standard error. '
        "Settings are flags, such as --registration=invite: variables of the environment do not count. "
        "Mails are files in dataDir/mail.",
        allow_abbrev=False,
    )
    parser.add_argument("--port", type=int, default=0, help="the port on 127.0.0.1; a free one by default")
    parser.add_argument("--version", action="version", version=version("portcullis-server"))
    options, args = parser.parse_known_args()

    def end(number: int, frame: object) -> None:
        # A second one must not come while the data is deleted.
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, signal.SIG_IGN)
        raise _Signalled

    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, end)
    try:
        with Portcullis(args=args, port=options.port, on_log=sys.stderr.write) as server:
            print(json.dumps({"url": server.url, "dataDir": str(server.data_dir), "pid": os.getpid()}), flush=True)
            while server.is_running():
                time.sleep(0.2)
            return 1
    except _Signalled:
        return 0
    except (PortcullisError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
