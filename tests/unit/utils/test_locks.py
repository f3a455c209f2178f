"""The lock of a results directory: one holder, who is named, and who need not live to release it."""

import errno
import os
import platform
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from lxr.utils import locks
from lxr.utils.locks import LOCK, LockedError, only_run

# The module alone, without the package, starts in no time.
HOLDER = f"""
import importlib.util, pathlib, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts in the background may not listen
spec = importlib.util.spec_from_file_location("locks", {locks.__file__!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
with module.only_run(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def holder(root, seconds: float) -> subprocess.Popen:
    """Another process that holds the lock for some time, once it has said so."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(root), str(seconds)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_run_is_refused_and_told_who_is_first(tmp_path):
    root = tmp_path / "not yet" / "there"
    with holder(root, 60) as process:
        with pytest.raises(LockedError) as caught, only_run(root):
            pytest.fail("two at once")
        process.kill()
    said = rf"process {process.pid} on {re.escape(platform.node())}, since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d\. "
    assert re.search(re.escape(f"{root} is in use by another run: ") + said, str(caught.value))
    assert "--wait" in str(caught.value) and "another directory" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_lock_of_a_process_that_was_ended_is_free(tmp_path, number):
    with holder(tmp_path, 60) as process:
        process.send_signal(number)
    assert process.returncode
    if number != signal.SIGINT:  # which Python tidies up after
        assert f"process {process.pid} " in (tmp_path / LOCK).read_text()
    with only_run(tmp_path):
        assert (tmp_path / LOCK).read_text().startswith(f"process {os.getpid()} ")
    assert (tmp_path / LOCK).read_text() == ""


def test_another_holder_is_waited_for(tmp_path, capsys):
    with holder(tmp_path, 0.7) as process:
        started = time.monotonic()
        with only_run(tmp_path, wait=True):
            waited = time.monotonic() - started
    assert waited > 0.3
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and f"process {process.pid} on " in said[0] and said[0].endswith("Waiting for it to end")


def test_threads_hold_it_one_after_the_other(tmp_path):
    inside, most = [], []

    def hold(name: int) -> None:
        with only_run(tmp_path, wait=True):
            inside.append(name)
            most.append(len(inside))
            time.sleep(0.05)
            inside.remove(name)

    threads = [threading.Thread(target=hold, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 4


def test_the_lock_is_released_after_an_error_and_other_directories_are_free(tmp_path):
    with pytest.raises(KeyError), only_run(tmp_path):
        raise KeyError("whatever")
    with only_run(tmp_path), only_run(tmp_path / "below"):
        pass


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("no directory")
    with pytest.raises(OSError, match=r"cannot write to .*file"), only_run(tmp_path / "file"):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="as on Linux")
def test_a_file_system_without_locks_gets_a_warning(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    with pytest.warns(UserWarning, match="run.lock cannot be locked .*start one run at a time"), only_run(tmp_path):
        pass
