"""A small disk of our own, and a file that fills it for a while."""

import errno
import os
import subprocess
import threading
from pathlib import Path

SIZE_MB = 128
PIECE = bytes(1 << 16)


def mount(folder: Path) -> None:
    """A file system in memory; it goes with the mount namespace that this process is in."""
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "nsgf-chaos", str(folder)]
    subprocess.run(words, check=True)


def unmount(folder: Path) -> None:
    """Take it away, if it is there, even from processes that are just dying."""
    if folder.is_mount():
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


class Filler:
    """Takes all space of the disk that `folder` is on, as a context manager.

    Space that others free meanwhile is taken too.
    """

    def __init__(self, folder: Path):
        self._path, self._stop = folder / "filler", threading.Event()
        self._thread = threading.Thread(target=self._fill_on)

    def __enter__(self):
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT)
        self._fill()
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join()
        os.close(self._file)
        self._path.unlink()

    def _fill_on(self) -> None:
        while not self._stop.wait(0.02):
            self._fill()

    def _fill(self) -> None:
        try:
            while True:
                os.write(self._file, PIECE)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
