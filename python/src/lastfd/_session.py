"""A ``lastfd bench`` process, and what goes over its pipes.

docs/bench-protocol.md of the project has the protocol.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
from pathlib import Path
from typing import IO, Any

from lastfd import _binary
from lastfd._errors import KINDS, Error, SessionOver

PROTOCOL = 1
# Seconds: beyond the time that a request itself waits; for its end.
_GRACE = 30.0
_ENDING = 20.0


class Session:
    """Requests to a process of its own, from any thread."""

    def __init__(
        self, options: list[str], log: Path, binary: str | os.PathLike[str] | None = None
    ) -> None:
        """Starts the process; its log goes to this file."""
        self._log = log
        command = [_binary.find(binary), "bench", *options]
        with log.open("wb") as errors:
            # A session of its own: Ctrl-C is for whoever drives it, who ends it then.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._asks: IO[bytes] = self._process.stdin
        self._answers: IO[bytes] = self._process.stdout
        self._lock = threading.Condition()
        self._last_id = 0
        self._waiting: dict[int, dict[str, Any] | None] = {}
        self._hello: dict[str, Any] | None = None
        self._is_over = False
        self._reader = threading.Thread(target=self._read, name="lastfd bench", daemon=True)
        self._reader.start()
        self._greet()

    def _greet(self) -> None:
        with self._lock:
            self._lock.wait_for(lambda: self._hello is not None or self._is_over, _GRACE)
        if self._hello is None:
            self.close()
            raise SessionOver(f"lastfd bench did not start: {self._last_words()}")
        protocol = self._hello.get("protocol")
        if protocol != PROTOCOL:
            self.close()
            version = self._hello.get("version")
            raise SessionOver(
                f"lastfd {version} speaks protocol {protocol}, and this package {PROTOCOL}: "
                "take both of one version"
            )

    def _read(self) -> None:
        for line in self._answers:
            try:
                answer = json.loads(line)
            except ValueError:
                break
            with self._lock:
                if "hello" in answer:
                    self._hello = answer
                elif answer.get("id") in self._waiting:
                    self._waiting[answer["id"]] = answer
                self._lock.notify_all()
        with self._lock:
            self._is_over = True
            self._lock.notify_all()

    def ask(self, do: str, waits: float = 0.0, **fields: Any) -> Any:
        """Asks, and gives what is ``ok``. ``waits``: seconds that the request itself may take."""
        __tracebackhide__ = True
        request = {key: value for key, value in fields.items() if value is not None}
        with self._lock:
            if self._is_over:
                raise SessionOver(self._why_over())
            self._last_id += 1
            number = self._last_id
            self._waiting[number] = None
            line = json.dumps({"id": number, "do": do, **request}).encode() + b"\n"
            try:
                self._asks.write(line)
                self._asks.flush()
            except (OSError, ValueError):
                self._is_over = True
                raise SessionOver(self._why_over()) from None

            def is_answered() -> bool:
                return self._waiting[number] is not None or self._is_over

            in_time = self._lock.wait_for(is_answered, waits + _GRACE)
            answer = self._waiting.pop(number)
        if answer is None:
            if not in_time:
                self.close(kill=True)
                raise SessionOver(
                    f"lastfd bench did not answer '{do}' within {waits + _GRACE:.0f} s, "
                    "and was killed with its programs"
                )
            raise SessionOver(self._why_over())
        error = answer.get("error")
        if error is not None:
            raise KINDS.get(error["kind"], Error)(error["message"])
        return answer["ok"]

    def _why_over(self) -> str:
        try:
            status = self._process.wait(1)
        except subprocess.TimeoutExpired:
            status = 0
        if status in (0, 70):
            return "the bench is closed"
        return f"lastfd bench died ({status}): {self._last_words()}"

    def _last_words(self) -> str:
        lines = self.log().strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def log(self) -> str:
        """What the process has logged by now."""
        return self._log.read_text(errors="replace")

    def close(self, kill: bool = False) -> None:
        """Ends the process, with its programs."""
        if kill:
            self._process.kill()
        with self._lock:
            self._is_over = True
            self._lock.notify_all()
        # What was not sent yet has nobody to read it.
        with contextlib.suppress(OSError):
            self._asks.close()
        try:
            self._process.wait(_ENDING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(_ENDING)
        if not self._reader.is_alive():
            self._answers.close()
