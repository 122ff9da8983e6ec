"""A bench: devices, the programs that see them, and what becomes of both."""

from __future__ import annotations

import os
import re
import signal as signals
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from lastfd._errors import Unclean
from lastfd._session import Session

# Seconds that a wait takes at most, unless told.
TIMEOUT = 10.0


@dataclass(frozen=True)
class Ending:
    """How a program ended: with a status, or by a signal."""

    text: str
    status: int | None = None
    signal: int | None = None

    @property
    def is_success(self) -> bool:
        """Whether it was exit status 0."""
        return self.status == 0

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Event:
    """Something that happened: its line in the log, and when, in seconds since the beginning."""

    text: str
    time: float

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class OpenFile:
    """A file of a device that a program has open."""

    path: str
    #: Its last call (``ioctl VIDIOC_DQBUF``), and ``running``, ``asleep`` or what it gave.
    last_call: str | None
    state: str | None
    #: The processes that have it, each with its descriptors.
    holders: dict[int, list[int]]
    raw: dict[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Report:
    """What a bench ended with. It prints as the verdict."""

    text: str
    raw: dict[str, Any] = field(repr=False)

    @property
    def is_clean(self) -> bool:
        """Nothing went wrong on the bench, and all that was asked for was done."""
        return bool(self.raw["verdict"]["clean"])

    @property
    def summary(self) -> str:
        """``clean``, or what is the matter."""
        return str(self.raw["verdict"]["text"])

    def check(self) -> None:
        """Raises `Unclean` unless it `is_clean`."""
        __tracebackhide__ = True
        if not self.is_clean:
            raise Unclean(f"{self.summary}\n{self.text}")

    def __str__(self) -> str:
        return self.text


class Bench:
    """A bench, with a process of its own behind it.

    Closing it, as leaving a ``with`` does, kills what is left of its programs. Should this
    process die, they do, too.
    """

    def __init__(
        self,
        *,
        rules: str | None = None,
        restrict: str | None = None,
        trap_all: bool = False,
        sanitizer: bool = True,
        verbose: bool = False,
        binary: str | os.PathLike[str] | None = None,
    ) -> None:
        """Starts it; the options are those of ``lastfd bench``.

        ``binary``: the ``lastfd`` to run; that of LASTFD_BINARY, of this package or in PATH
        unless told.
        """
        options = []
        if rules is not None:
            options += ["--rules", rules]
        if restrict is not None:
            options += ["--restrict", restrict]
        options += ["--trap-all"] * trap_all + ["--verbose"] * verbose
        options += ["--no-sanitizer"] * (not sanitizer)
        self._folder = tempfile.TemporaryDirectory(prefix="lastfd-")
        self._report: Report | None = None
        self._last_log: str | None = None
        #: The programs that were started, in order.
        self.programs: list[Program] = []
        self._environ = dict(os.environ)
        try:
            log = Path(self._folder.name, "log")
            self._session = Session(options, log, binary)
        except BaseException:
            self._folder.cleanup()
            raise

    def __enter__(self) -> Bench:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def plug(self, device: str, **keys: object) -> Device:
        """Plugs hardware in: ``plug("camera:fps=50")`` or ``plug("camera", fps=50)``.

        ``lastfd devices`` lists kinds and keys.
        """
        __tracebackhide__ = True
        settings = [f"{key}={value}" for key, value in keys.items()]
        if settings:
            device += ("," if ":" in device else ":") + ",".join(settings)
        return Device(self, self._session.ask("plug", device=device)["name"])

    def device(self, name: str) -> Device:
        """The hardware with this name, such as ``camera2``."""
        return Device(self, name)

    def devices(self) -> list[dict[str, Any]]:
        """What is plugged in, or was: ``name``, ``path`` in /sys, ``driver``, ``nodes``."""
        __tracebackhide__ = True
        return list(self._session.ask("devices"))

    def files(self) -> list[OpenFile]:
        """The files that programs have open, and who holds them."""
        __tracebackhide__ = True
        files = []
        for raw in self._session.ask("files"):
            last = raw["last"] or {}
            holders = {holder["pid"]: holder["descriptors"] for holder in raw["held_by"]}
            files.append(OpenFile(raw["path"], last.get("call"), last.get("state"), holders, raw))
        return files

    def wait_for(self, event: str, timeout: float = TIMEOUT) -> Event:
        """Waits for an event of any device: ``open``, ``read:5``, ``blocked:DQBUF``.

        Those since the beginning count. Raises `NotInTime`.
        """
        __tracebackhide__ = True
        return self._wait(event, None, timeout)

    def _wait(self, event: str, name: str | None, timeout: float) -> Event:
        __tracebackhide__ = True
        within = _ms(timeout)
        answer = self._session.ask("wait", timeout, event=event, name=name, within_ms=within)
        return Event(answer["event"], answer["time_ns"] / 1e9)

    def iiod(self) -> str:
        """The address of an iiod that serves this bench: ``ip:127.0.0.1:30431``."""
        __tracebackhide__ = True
        return str(self._session.ask("iiod")["uri"])

    def spawn(
        self,
        *argv: str | os.PathLike[str],
        env: Mapping[str, str | None] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        input: str | bytes | None = None,
        stdin: str | os.PathLike[str] | None = None,
        stdout: str | os.PathLike[str] | None = None,
        stderr: str | os.PathLike[str] | None = None,
        iiod_only: bool = False,
    ) -> Program:
        """Starts a program that sees the devices, with all that it starts.

        ``env``: variables beside those of this process; None takes one out. ``input`` or
        ``stdin``: what it reads, nothing unless told. ``stdout``, ``stderr``: files that it
        appends to; unless told, `Program.stdout` and `Program.stderr` have what it writes.
        In its arguments ``{uri}`` is the address of the bench's iiod.
        """
        __tracebackhide__ = True
        if len(argv) == 1 and isinstance(argv[0], (list, tuple)):
            raise TypeError("spawn takes a program and its arguments one by one: spawn(*argv)")
        words = [os.fspath(word) for word in argv]
        stem = Path(self._folder.name, f"program-{len(self.programs) + 1}")
        if input is not None:
            if stdin is not None:
                raise ValueError("give a program 'input' or 'stdin', not both")
            stdin = stem.with_suffix(".in")
            stdin.write_bytes(input.encode() if isinstance(input, str) else input)
        files = {
            name: Path(path) if path is not None else stem.with_suffix(f".{name}")
            for name, path in [("stdout", stdout), ("stderr", stderr)]
        }
        answer = self._session.ask(
            "spawn",
            argv=words,
            env={**_changes(self._environ), **(env or {})},
            cwd=os.path.abspath(cwd if cwd is not None else os.curdir),
            stdin=None if stdin is None else os.path.abspath(stdin),
            iiod_only=iiod_only or None,
            stdout=os.path.abspath(files["stdout"]),
            stderr=os.path.abspath(files["stderr"]),
        )
        program = Program(self, answer["program"], answer["pid"], words, files)
        self.programs.append(program)
        return program

    @property
    def log(self) -> str:
        """What happened so far, an event a line."""
        return self._session.log() if self._last_log is None else self._last_log

    def finish(
        self, report: str | os.PathLike[str] | None = None, *, events: bool = False
    ) -> Report:
        """Ends it, and gives its report; asked again, the same.

        ``report``: a file for it, ``.json`` or ``.svg``, which is a picture. ``events``:
        whether `Report.raw` has every event, too.
        """
        __tracebackhide__ = True
        if self._report is None:
            path = None if report is None else os.path.abspath(report)
            raw = self._session.ask("finish", report=path, events=events or None)
            self._report = Report(raw["text"], raw)
            spawned = {program["program"]: program for program in raw["spawned"]}
            for program in self.programs:
                program._ended(spawned.get(program._number, {}))
            self.close()
        return self._report

    @property
    def is_finished(self) -> bool:
        """Whether `finish` has given its report."""
        return self._report is not None

    def close(self) -> None:
        """Ends it, and kills what is left of its programs."""
        if self._last_log is not None:
            return
        self._session.close()
        self._last_log = self._session.log()
        for program in self.programs:
            program._keep()
        self._folder.cleanup()


class Device:
    """Hardware on a bench."""

    def __init__(self, bench: Bench, name: str) -> None:
        self._bench = bench
        #: The kind, with a number from the second of a kind on: ``camera2``.
        self.name = name

    def __repr__(self) -> str:
        return f"<lastfd.Device {self.name}>"

    def unplug(self, when: str | None = None) -> None:
        """Pulls it out: at once, or then: ``blocked:DQBUF``, ``before:ioctl:STREAMON``."""
        __tracebackhide__ = True
        self._bench._session.ask("unplug", name=self.name, when=when)

    def unbind(self, when: str | None = None) -> None:
        """Takes its driver off; the hardware stays."""
        __tracebackhide__ = True
        self._bench._session.ask("unbind", name=self.name, when=when)

    def bind(self) -> None:
        """Has a driver bind to it again."""
        __tracebackhide__ = True
        self._bench._session.ask("bind", name=self.name)

    def fault(self, fault: str, when: str | None = None) -> None:
        """Has it do something wrong: ``drop:3``, ``fail:VIDIOC_QBUF:2:EIO``, ``stop``."""
        __tracebackhide__ = True
        self._bench._session.ask("fault", name=self.name, fault=fault, when=when)

    def set(self, **keys: object) -> None:
        """Sets what it measures: ``light.set(lux=12)``."""
        __tracebackhide__ = True
        for key, value in keys.items():
            self.fault(f"set:{key}={value}")

    def wait_for(self, event: str, timeout: float = TIMEOUT) -> Event:
        """Waits for an event of this device; those since it was plugged in count.

        Raises `NotInTime`.
        """
        __tracebackhide__ = True
        return self._bench._wait(event, self.name, timeout)

    @property
    def nodes(self) -> list[str]:
        """Its nodes, such as ``/dev/video0``."""
        __tracebackhide__ = True
        for device in self._bench.devices():
            if device["name"] == self.name:
                return list(device["nodes"])
        return []


class Program:
    """A program that was started."""

    def __init__(
        self, bench: Bench, number: int, pid: int | None, argv: list[str], files: dict[str, Path]
    ) -> None:
        self._bench = bench
        self._number = number
        self._files = files
        self._kept: dict[str, str] = {}
        self._ending: Ending | None = None
        #: Its process.
        self.pid = pid
        #: Its name and arguments.
        self.argv = argv

    def __repr__(self) -> str:
        return f"<lastfd.Program {' '.join(self.argv)}>"

    def wait(self, timeout: float = TIMEOUT) -> Ending:
        """Waits for its end. Raises `NotInTime`."""
        __tracebackhide__ = True
        if self._ending is None:
            within = _ms(timeout)
            self._ended(self._ask("wait-program", timeout, within_ms=within))
        assert self._ending is not None
        return self._ending

    def poll(self) -> Ending | None:
        """How it ended, if it did."""
        __tracebackhide__ = True
        if self._ending is None:
            for program in self._bench._session.ask("programs"):
                if program["program"] == self._number:
                    self._ended(program)
        return self._ending

    @property
    def ending(self) -> Ending | None:
        """How it ended, as far as was asked by now."""
        return self._ending

    def expect(self, expected: str, timeout: float = TIMEOUT) -> Ending | None:
        """Waits until it is clear that it does what is expected once a device went.

        ``expected``: ``ends=2s,closes=2s,no-spin,no-crash``. Gives its ending; None if it
        runs on, which it may unless ``ends`` is expected: it is waited for as long as
        ``timeout``, and longer for the times that are expected. Raises `ExpectationBroken`,
        with the process, the descriptor and its last call.
        """
        __tracebackhide__ = True
        # Its times count from when a device goes, which may be after this.
        waits = timeout + _times(expected)
        within = _ms(timeout)
        self._ended(self._ask("expect", waits, expected=expected, within_ms=within))
        return self._ending

    def send_signal(self, signal: int | signals.Signals) -> None:
        """Sends it a signal. Raises `ProgramEnded`."""
        __tracebackhide__ = True
        self._ask("signal", signal=int(signal))

    def terminate(self) -> None:
        """Sends it SIGTERM. Raises `ProgramEnded`."""
        __tracebackhide__ = True
        self.send_signal(signals.SIGTERM)

    def kill(self) -> Ending:
        """Kills it and all that it started, and waits until they are gone."""
        __tracebackhide__ = True
        if self._ending is None:
            self._ended(self._ask("kill"))
        assert self._ending is not None
        return self._ending

    @property
    def stdout(self) -> str:
        """What it has written to its output by now."""
        return self._text("stdout")

    @property
    def stderr(self) -> str:
        """What it has written to its errors by now."""
        return self._text("stderr")

    def _ask(self, do: str, waits: float = 0.0, **fields: Any) -> Any:
        __tracebackhide__ = True
        return self._bench._session.ask(do, waits, program=self._number, **fields)

    def _ended(self, answer: dict[str, Any]) -> None:
        if answer.get("ending") is not None:
            self._ending = Ending(answer["ending"], answer.get("status"), answer.get("signal"))

    def _text(self, name: str) -> str:
        if name in self._kept:
            return self._kept[name]
        try:
            return self._files[name].read_text(errors="replace")
        except OSError:
            return ""

    def _keep(self) -> None:
        """Its files go with the bench."""
        self._kept = {name: self._text(name) for name in self._files}


def _changes(then: dict[str, str]) -> dict[str, str | None]:
    """What has become of the environment."""
    now = dict(os.environ)
    changes: dict[str, str | None] = {k: v for k, v in now.items() if then.get(k) != v}
    changes.update({key: None for key in then if key not in now})
    return changes


def _times(expected: str) -> float:
    """The longest of the times that are expected, in seconds; what is none is refused later."""
    units = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}
    found = re.findall(r"=(\d+(?:\.\d+)?)(ns|us|ms|s)\b", expected)
    return max((float(number) * units[unit] for number, unit in found), default=0.0)


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))
