"""The command ``lxr serve``: a bundle as a service over HTTP."""

import argparse
import contextlib
import ipaddress
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from lxr.delivery.bundle import Bundle, load
from lxr.service.answers import Limits
from lxr.utils.environment import choose_device
from lxr.utils.extras import extra
from lxr.utils.storage import DataError

PATIENCE = 10  # seconds to finish running requests after a signal to stop
LOCAL = ("localhost", "127.0.0.1", "[::1]")


def main(arguments: Sequence[str]) -> int:
    """Serve a bundle until a signal to stop.

    Args:
        arguments: words of the command line after ``lxr serve``.

    Returns:
        The exit status: 0 after SIGINT or SIGTERM; 1 if the bundle cannot be served (one line states why).
    """
    options = vars(_parser().parse_args(arguments))
    path, host, port, device, trusted = (options.pop(name) for name in ("bundle", "host", "port", "device", "trusted"))
    try:
        with extra("serve"):
            import uvicorn
        from lxr.service.application import application  # also needs the extra

        bundle = load(path, device=choose_device(device), trusted=trusted)
        if not isinstance(bundle, Bundle):
            raise DataError(f"{path}: expected a bundle that lxr.save wrote, found one recommender without its data")
        local = is_local(host)
        app = application(bundle, limits=Limits(**options), hosts=(*LOCAL, host) if local else ("*",))
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)  # else the body waits 40 ms for a delayed ACK
    except (ValueError, OSError, OverflowError, ImportError) as error:  # DataError is a ValueError
        print(error, file=sys.stderr)
        return 1
    if not local:
        print(f"{host}: everyone who reaches this address can ask about every user; there is no password", file=sys.stderr)
    address = f"http://[{host}]" if ":" in host else f"http://{host}"
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=PATIENCE)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # uvicorn raises its signal again after it has stopped
    with contextlib.suppress(KeyboardInterrupt):
        print(f"{path} at {address}:{listening.getsockname()[1]}/docs; Ctrl+C stops it", flush=True)
        uvicorn.Server(config).run(sockets=[listening])
    return 0


def is_local(host: str) -> bool:
    """Whether an address can only be reached from this machine.

    Example:
        >>> is_local("127.0.0.1"), is_local("localhost"), is_local("0.0.0.0")
        (True, True, False)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # another host name
        return False


def _parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="lxr serve",
        description="Answer POST /explain with explanations of a bundle that lxr.save wrote; /docs describes requests.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("bundle", type=Path, help="directory of the bundle")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at; 0.0.0.0 for all, without a password")
    parser.add_argument("--port", type=int, default=8000, help="port to listen at; 0 for any free port")
    parser.add_argument("--device", default="cpu", help="device of the recommender: cpu, cuda or auto")
    parser.add_argument("--trusted", action="store_true", help="let the bundle run code that it contains or names")
    for name, default in vars(Limits()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default, help=HELP[name])
    return parser


HELP = {
    "max_body": "bytes of a request",
    "max_history": "items of a history",
    "max_items": "explained items of a request",
    "max_waiting": "waiting requests; more are refused",
    "max_batch": "requests to explain together",
}
