"""The server under test, and where it listens.

SPRAT_COMMAND is the command to start (default: the release binary), SPRAT_ORACLE that of a server which keeps the contract
at the top of tests/js/oracle/server.mjs. SPRAT_JUDGED says whose they are: `sprat` or `official`. A command is given what
Sprat understands; the official chat server takes `--port 0`, the other one chooses a port by itself.
"""

import os
import pathlib
import re
import shlex
import signal
import subprocess
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
OFFICIAL = os.environ.get("SPRAT_JUDGED") == "official"
COMMAND = shlex.split(os.environ.get("SPRAT_COMMAND", str(TARGET / "release" / "sprat")))
ORACLE = shlex.split(os.environ.get("SPRAT_ORACLE", str(TARGET / "release" / "examples" / "oracle")))


class Server:
    """A started server: `port`, `pid`, and what it printed."""

    def __init__(self, *arguments, port=0, command=COMMAND):
        where = ["--port", f"{port}"] if OFFICIAL else ["--listen", f"127.0.0.1:{port}"]
        if OFFICIAL and command is ORACLE:
            where = []
        self.process = subprocess.Popen(
            [*command, *where, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT
        )
        self.lines = []
        self.port = None
        self._known = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()
        # The event is set at the end of the output, too, so this does not wait for a server that died.
        if not self._known.wait(20) or self.port is None:
            self.stop()
            raise RuntimeError("the server did not say where it listens:\n" + "".join(self.lines))
        self.url = f"http://127.0.0.1:{self.port}"

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line)
            found = re.search(r"(?:http://[^/\s]+:|127\.0\.0\.1:|ready *)(\d+)", line)
            if found and self.port is None:
                self.port = int(found[1])
                self._known.set()
        self._known.set()

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        """Ends it as an operator would and returns its exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None
