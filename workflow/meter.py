"""Peak memory and busy cores of a run."""

import os
import threading
import time

import psutil


class Meter:
    """Peak memory and busy cores of Snakemake and its jobs, read about once a second."""

    def __init__(self, pid: int):
        self._root, self._start, self._peak = psutil.Process(pid), time.monotonic(), 0
        self._stop, self._cpu = False, {}
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def wall(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    def read(self) -> None:
        """One reading; a process that has just ended is left out."""
        total = 0
        for process in self._tree():
            try:
                times = process.cpu_times()
                total += process.memory_info().rss
                self._cpu[process.pid] = times.user + times.system
            except psutil.NoSuchProcess:
                continue
        self._peak = max(self._peak, total)

    def cost(self) -> dict:
        """Wall seconds, peak memory, and the share of core time that was used."""
        self._stop = True
        cores = len(os.sched_getaffinity(0))
        return {
            "wall_s": round(self.wall, 1),
            "peak_rss_mb": round(self._peak / 1e6),
            "busy_fraction": round(sum(self._cpu.values()) / self.wall / cores, 3),
            "cores": cores,
        }

    def _tree(self) -> list[psutil.Process]:
        try:
            return [self._root, *self._root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _watch(self) -> None:
        while not self._stop:
            self.read()
            time.sleep(1)
