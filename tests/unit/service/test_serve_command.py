"""The command `lxr serve`: what it says, where it listens, how it stops."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request

import numpy as np
import pytest
from toys import N_ITEMS, autoencoder, small

import lxr
from lxr.service.serve_command import is_local, main
from lxr.utils.environment import PROJECT_ROOT

pytest.importorskip("fastapi")


@pytest.fixture
def path(train_matrix, tmp_path):
    """A bundle of an MF."""
    data = lxr.Interactions(train_matrix, 500 + np.arange(60), 100 + np.arange(N_ITEMS))
    lxr.save(tmp_path / "bundle", model=small("mf"), data=data)
    return tmp_path / "bundle"


def test_addresses_of_this_machine_are_local():
    assert [is_local(host) for host in ("127.0.0.1", "127.3.2.1", "::1", "localhost")] == [True] * 4
    assert [is_local(host) for host in ("0.0.0.0", "::", "192.168.0.1", "example.org", "")] == [False] * 5


def test_what_cannot_be_served_is_one_line_and_status_1(path, tmp_path, capsys):
    small("mf").save(tmp_path / "mf.pt")
    lxr.save(tmp_path / "empty", model=small("mf"))
    lxr.save(tmp_path / "program", model=autoencoder())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        cases = {
            (str(tmp_path / "nothing"),): "is missing",
            (str(tmp_path / "mf.pt"),): "expected a bundle",
            (str(tmp_path / "empty"),): "has no ids and titles",
            (str(tmp_path / "program"),): "trusted=True",
            (str(path), "--port", port): "use",
            (str(path), "--port", "70000"): "0-65535",
            (str(path), "--max-batch", "0"): "max_batch: expected a positive integer",
        }
        for words, message in cases.items():
            assert main(words) == 1
            said = capsys.readouterr().err
            assert message in said and said.count("\n") == 1


def test_an_answer_is_sent_at_once(path, monkeypatch):
    def run(_, sockets):
        options.extend(each.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for each in sockets)

    options = []
    monkeypatch.setattr("uvicorn.Server.run", run)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert main([str(path), "--port", "0"]) == 0
    assert options and all(options)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize(("stop", "host"), [(signal.SIGINT, "127.0.0.1"), (signal.SIGTERM, "0.0.0.0")])
def test_it_serves_until_a_signal_says_stop(stop, host, path):
    command = [sys.executable, "-W", "error::UserWarning", "-m", "lxr", "serve", str(path), "--host", host, "--port", "0"]
    environment = os.environ | {"PYTHONPATH": str(PROJECT_ROOT)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", env=environment
    ) as process:
        port = re.search(r":(\d+)/docs", process.stdout.readline())[1]
        body = json.dumps({"user": 507}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/explain", body, {"content-type": "application/json"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            assert json.load(response)["explanations"][0]["user"] == 507
        process.send_signal(stop)
        _, said = process.communicate(timeout=30)
        assert process.returncode == 0
        assert ("there is no password" in said, said.count("\n")) == ((False, 0) if host == "127.0.0.1" else (True, 1))
