"""The fixture ``lastfd_bench`` for pytest.

    def test_player_survives(lastfd_bench):
        camera = lastfd_bench.plug("camera")
        player = lastfd_bench.spawn("./player", "/dev/video0")
        camera.wait_for("blocked:DQBUF")
        camera.unplug()
        player.expect("ends=2s,closes=2s,no-crash")

When the test is over the bench is, too, and its verdict must be clean: a removal that was
planned and never came is an error, as is a lifetime rule that a driver broke. A test that
fails shows its programs, the verdict and the log.

``@pytest.mark.lastfd(rules="linux-pre-6.6")`` gives the bench other options, those of
`lastfd.Bench`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import pytest

from lastfd._bench import Bench, Program
from lastfd._errors import Unclean

#: Lines of the log, and of what a program wrote, that a failing test shows.
LINES = 60

_BENCHES: pytest.StashKey[list[Bench]] = pytest.StashKey()
_FAILED: pytest.StashKey[bool] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    """Makes the marker known."""
    config.addinivalue_line(
        "markers", "lastfd(**options): options of the bench of the fixture lastfd_bench"
    )


@pytest.fixture
def lastfd_bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A bench: devices that are plugged in and pulled out, and programs that see them."""
    options: dict[str, Any] = {}
    for marker in request.node.iter_markers("lastfd"):
        options = {**marker.kwargs, **options}
    with Bench(**options) as bench:
        request.node.stash.setdefault(_BENCHES, []).append(bench)
        yield bench
        report = bench.finish()
        if not report.is_clean:
            # The whole verdict is below it.
            raise Unclean(report.summary)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, Any, None]:
    """Adds to a test that failed what happened on its bench."""
    outcome = yield
    report: pytest.TestReport = outcome.get_result()
    if report.when == "call":
        item.stash[_FAILED] = report.failed
    # Its bench is finished by now. pytest shows these sections beside the failure.
    if report.when == "teardown" and (report.failed or item.stash.get(_FAILED, False)):
        for bench in item.stash.get(_BENCHES, []):
            report.sections.append(("lastfd (teardown)", story(bench)))


def story(bench: Bench) -> str:
    """What happened on a bench, for people."""
    parts = [_told(program) for program in bench.programs]
    if bench.is_finished:
        parts.append(str(bench.finish()))
    parts.append(f"log:\n{_last(bench.log)}")
    return "\n".join(parts)


def _told(program: Program) -> str:
    ending = program.ending
    lines = [f"{' '.join(program.argv)}: {ending if ending is not None else 'still running'}"]
    for name, text in [("stdout", program.stdout), ("stderr", program.stderr)]:
        lines += [f"  {name}: {line}" for line in _last(text).splitlines()]
    return "\n".join(lines)


def _last(text: str) -> str:
    lines = text.strip("\n").splitlines()
    left_out = len(lines) - LINES
    if left_out > 0:
        lines = [f"… {left_out} lines before", *lines[-LINES:]]
    return "\n".join(lines)
