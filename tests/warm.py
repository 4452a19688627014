"""`nsgf` whose libraries are loaded already, for tests that start it dozens of times.

A job of a tiny run is start-up: to import torch and its like takes seconds, the work itself less
than one. Here one process has them imported and runs each command in a fork of itself, which
imports this package anew, as the environment says. The command that is started is a client: it
hands over words, folder, environment and streams, and ends as the command does. Tests that are
about processes (killed, limited, measured) start the real one.
"""

import atexit
import contextlib
import ctypes
import functools
import importlib
import inspect
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

LIBRARIES = (
    *("torch", "torch._dynamo", "torch.nn.functional", "torchvision", "safetensors.torch"),
    *("numba", "scipy.stats", "scipy.special", "scipy.optimize", "pandas", "PIL.Image"),
    *("ot", "geomloss", "torchdiffeq", "pydantic", "yaml", "tqdm", "requests", "platformdirs"),
    *("matplotlib.figure", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_pdf"),
    "seaborn",
)
PARENT = "NSGF_PARENT"  # as nsgf.lifeline has it
PDEATHSIG = 1
PATIENCE = 120  # seconds that the imports may take, on a machine that others load too
CLIENT = """\
#!{python} -IS
import json, os, socket, sys
link = socket.socket(socket.AF_UNIX)
link.connect({address!r})
request = {{"words": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ)}}
socket.send_fds(link, [b"."], [0, 1, 2])
link.sendall(json.dumps(request).encode() + b"\\n")
sys.exit(int(link.recv(8) or 1))
"""


@functools.cache
def scripts() -> Path:
    """The `bin` of a virtual environment that is the running one but for `nsgf`, which is warm."""
    folder = Path(tempfile.mkdtemp(prefix="nsgf-warm-"))
    owner = os.getpid()
    atexit.register(lambda: os.getpid() == owner and shutil.rmtree(folder))
    running, address = Path(sys.executable).parents[1], str(folder / "socket")
    (folder / "bin").mkdir()
    for part in ("lib", "pyvenv.cfg"):
        (folder / part).symlink_to(running / part)
    for program in (running / "bin").iterdir():
        (folder / "bin" / program.name).symlink_to(program)
    client = folder / "bin/nsgf"
    client.unlink()
    client.write_text(CLIENT.format(python=Path(sys.executable).resolve(), address=address))
    client.chmod(0o755)
    _start(address)
    return folder / "bin"


def _start(address: str) -> None:
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    server = subprocess.Popen(
        [sys.executable, __file__, address, str(os.getpid())],
        env=environment | {"OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    atexit.register(server.kill)
    ready, _, _ = select.select([server.stdout], [], [], PATIENCE)
    assert ready, "the warm process does not come up"
    assert server.stdout.readline(), "the warm process has failed"


def main() -> None:
    """Serve until whoever started this ends."""
    ctypes.CDLL(None).prctl(PDEATHSIG, signal.SIGKILL)
    address, parent = sys.argv[1], int(sys.argv[2])
    sys.path.pop(0)  # this file's folder
    for name in LIBRARIES:
        importlib.import_module(name)
    inspect.getmodule(main.__code__, "")  # looks through all that is loaded, and remembers it
    signal.signal(signal.SIGCHLD, _reap)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    print("ready", flush=True)
    if os.getppid() != parent:
        return
    while True:
        link, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _handle(link)
        link.close()


def _reap(*_) -> None:
    """Forget commands that have ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _handle(link: socket.socket) -> None:
    """Run one command in a fork and tell its client how it ended; with the client it is killed."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, streams, _, _ = socket.recv_fds(link, 1, 3)
    with link.makefile("rb") as file:
        request = json.loads(file.readline())
    if (command := os.fork()) == 0:
        link.close()
        _run(streams, **request)
    for stream in streams:
        os.close(stream)
    ended = os.pidfd_open(command)
    done, _, _ = select.select([ended, link], [], [])
    if ended not in done:
        os.kill(command, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])
    with contextlib.suppress(OSError):
        link.sendall(str(code if code >= 0 else 128 - code).encode())
    os._exit(0)


def _run(streams: list[int], words: list[str], folder: str, environment: dict[str, str]) -> None:
    """The command, or what follows `-c` as a program, in this process; does not return."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.closerange(3, 256)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    if PARENT in environment:
        os.environ[PARENT] = str(os.getppid())
    sys.path[:0] = filter(None, environment.get("PYTHONPATH", "").split(":"))
    importlib.import_module("numba").config.reload_config()
    code = 0
    try:
        if words[:1] == ["-c"]:
            sys.argv = ["-c", *words[2:]]
            exec(words[1], {"__name__": "__main__"})
        else:
            sys.argv = ["nsgf", *words]
            code = importlib.import_module("nsgf.cli").main()
    except SystemExit as ending:
        code = ending.code
        if isinstance(code, str):
            print(code, file=sys.stderr)
            code = 1
    except BaseException:
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(code or 0)


if __name__ == "__main__":
    main()
