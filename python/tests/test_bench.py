"""The bench, without pytest's fixture."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import lastfd


def alive(pid: int | None) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def gone(pid: int | None) -> bool:
    end = time.monotonic() + 20
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.01)
    return not alive(pid)


def test_a_device_is_plugged_used_and_pulled_out(tmp_path: Path) -> None:
    with lastfd.Bench() as bench:
        light = bench.plug("light", lux=7)
        second = bench.plug("light:lux=8", name="other")
        assert (light.name, second.name) == ("light", "light2")
        assert light.nodes == ["/dev/iio:device0"]
        assert [device["name"] for device in bench.devices()] == ["light", "light2"]
        name = "/sys/bus/iio/devices/iio:device0/in_illuminance_raw"
        bench.spawn("cat", name).wait()
        light.set(lux=9)
        cat = bench.spawn("cat", name)
        assert cat.wait().is_success
        assert bench.programs[0].stdout != cat.stdout
        light.unbind()
        light.bind()
        light.unplug()
        with pytest.raises(lastfd.Unknown, match="unplugged already; plugged in: light2"):
            light.unplug()
        picture = tmp_path / "report.svg"
        report = bench.finish(picture)
        report.check()
        assert picture.read_text().startswith("<svg")
        assert "verdict: clean" in str(report)
        assert bench.finish() is report
    assert cat.stdout and "unplug done" in bench.log
    with pytest.raises(lastfd.SessionOver):
        bench.plug("camera")


def test_a_program_has_its_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GONE", "1")
    with lastfd.Bench() as bench:
        monkeypatch.setenv("LATER", "set")
        script = 'read -r word; echo "$word:$LATER:$OWN:${GONE-none}:$PWD"; echo bad >&2; exit 3'
        shell = bench.spawn(
            "sh", "-c", script, env={"OWN": "own", "GONE": None}, cwd=tmp_path, input="word\n"
        )
        ending = shell.wait()
        assert (ending.status, str(ending)) == (3, "exit status 3")
        assert shell.stdout == f"word:set:own:none:{tmp_path}\n"
        assert shell.stderr == "bad\n"
        (tmp_path / "in").write_text("here\n")
        cat = bench.spawn("cat", stdin=tmp_path / "in", stdout=tmp_path / "out")
        cat.wait()
        assert (tmp_path / "out").read_text() == cat.stdout == "here\n"
        with pytest.raises(lastfd.Refused, match="there is no such program"):
            bench.spawn("no-such-program")
        with pytest.raises(TypeError, match="one by one"):
            bench.spawn(["true"])  # type: ignore[arg-type]


def test_waits_have_an_end_and_programs_are_signalled_and_killed() -> None:
    with lastfd.Bench() as bench:
        sleep = bench.spawn("sleep", "1000")
        with pytest.raises(lastfd.NotInTime, match="did not end within 50ms"):
            sleep.wait(0.05)
        with pytest.raises(TimeoutError, match="'open' did not come within 50ms"):
            bench.wait_for("open", timeout=0.05)
        with pytest.raises(lastfd.BadRequest, match="there is no event 'raed'"):
            bench.wait_for("raed")
        assert sleep.poll() is None
        sleep.terminate()
        assert sleep.wait().signal == 15
        with pytest.raises(lastfd.ProgramEnded):
            sleep.terminate()
        tree = bench.spawn("sh", "-c", "trap '' TERM; sleep 1000 & sleep 1000")
        assert tree.kill().signal == 9
        left = bench.spawn("sleep", "1000")
        report = bench.finish()
        assert left.ending is not None and left.ending.signal == 9
        assert [p["program"] for p in report.raw["spawned"] if p["killed"]] == [3]
    assert gone(left.pid)


def test_one_thread_waits_while_another_acts() -> None:
    with lastfd.Bench() as bench, ThreadPoolExecutor() as threads:
        adc = bench.plug("iio-adc")
        waiting = threads.submit(bench.wait_for, "close", timeout=20)
        script = f"open({adc.nodes[0]!r}).close()"
        assert bench.spawn(sys.executable, "-c", script).wait().is_success
        event = waiting.result(timeout=20)
        assert event.text.endswith("last close") and event.time > 0


def test_a_removal_that_never_comes_is_no_clean_verdict() -> None:
    with lastfd.Bench() as bench:
        bench.plug("camera").unplug("streamon")
        with pytest.raises(lastfd.Unclean, match="never came"):
            bench.finish().check()


def test_no_program_is_left_of_a_process_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import lastfd, os, signal; b = lastfd.Bench(); p = b.spawn('sleep', '1000'); "
        "print(b._session._process.pid, p.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    # What it wrote stays, as it does of any process that is killed.
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env)
    bench, program = map(int, run.stdout.split())
    assert gone(bench) and gone(program)


def test_a_bench_that_dies_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with lastfd.Bench() as bench:
        os.kill(bench._session._process.pid, 9)
        with pytest.raises(lastfd.SessionOver, match=r"lastfd bench died \(-9\)"):
            bench.plug("camera")
    with pytest.raises(lastfd.SessionOver, match="there are no rules named 'x'"):
        lastfd.Bench(rules="x")
    with pytest.raises(lastfd.BinaryNotFound, match="binary names '/nowhere'"):
        lastfd.Bench(binary="/nowhere")
    other = tmp_path / "lastfd"
    other.write_text(
        '#!/bin/sh\necho \'{"hello":"lastfd bench","protocol":99,"version":"9"}\'; cat\n'
    )
    other.chmod(0o755)
    monkeypatch.setenv("LASTFD_BINARY", str(other))
    with pytest.raises(lastfd.SessionOver, match="speaks protocol 99"):
        lastfd.Bench()


def test_the_command_is_there() -> None:
    command = Path(sys.executable).with_name("lastfd")
    said = subprocess.run([command, "devices"], capture_output=True, text=True, check=True)
    assert "camera" in said.stdout
