"""A real SLURM on this machine: two nodes with two stand-in GPUs each, gone without a trace.

Every daemon lives in namespaces of its own: /etc/slurm is ours only in the nodes' mounts, so that
the machine's is never touched; a node is one PID namespace, so that the kernel ends all of its
processes with it. Daemons die with the process that started them, however that ends.

By hand: `python -m tests.slurm.cluster` boots one, says how to use it, and ends it at Ctrl-D.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from nsgf.errors import NsgfError
from tests.slurm.packages import APART, require

NODES = ("n1", "n2")
SETTINGS = Path("/etc/slurm")
SHIPPED = {"plugstack.conf", "plugstack.conf.d"}  # what Debian's packages put there
CUT = ("setpriv", "--pdeathsig", "KILL")  # dies with us
PATIENCE = 60  # seconds that a daemon may take to answer

# A job step of Snakemake's looks for /etc/slurm/slurm.conf; bash, as process 1, reaps orphans.
IN_PLACE = 'mount --bind "${SLURM_CONF%/*}" /etc/slurm && { "$@" & wait; }'

CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
SlurmctldPort={control}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
TaskProlog={folder}/prolog
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=2,bf_interval=2,defer_batch
SlurmdParameters=config_overrides
SlurmdTimeout=5
ReturnToService=2
MinJobAge=3600
KillWait=5
JobRequeue=0
GresTypes=gpu
AccountingStorageType=accounting_storage/none
# Memory is polled: a job over its request is killed within two seconds.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobAcctGatherParams=OverMemoryKill
{nodes}
PartitionName=cpu Nodes=ALL Default=YES MaxTime=2:00:00 State=UP
PartitionName=gpu Nodes=ALL Default=NO MaxTime=2:00:00 State=UP
"""
COLUMNS = (
    *("JobID", "State", "Comment", "Name", "WorkDir", "Account", "Partition"),
    *("tres-per-job", "MinMemory", "TimeLimit", "NodeList"),
)
LINE = (
    "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port}"
    " CPUs=2 RealMemory=4000 Gres=gpu:2 State=UNKNOWN"
)
# SLURM counts device files and never opens them.
GRES = "NodeName=n[1-2] Name=gpu File=/dev/null\nNodeName=n[1-2] Name=gpu File=/dev/zero\n"
# What each step was given, told by the step itself: 'job GPUs'.
PROLOG = '#!/bin/sh\necho "$SLURM_JOB_ID $CUDA_VISIBLE_DEVICES" >> {folder}/gpus\n'


@dataclass(frozen=True)
class ClusterJob:
    """A line of squeue."""

    id: str
    state: str
    rule: str
    name: str  # Snakemake's run
    folder: str
    account: str
    partition: str
    gpus: str  # as asked for, 'N/A' where none
    memory: str
    limit: str
    node: str


class Cluster:
    """A running cluster, as a context manager.

    Args:
        folder: an empty folder of its own, in which everything lies.

    Raises:
        NsgfError: this machine has a SLURM of its own, cannot have one, or ours does not start.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._daemons: dict[str, subprocess.Popen] = {}

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to use this cluster, beside its own environment."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def __enter__(self):
        refuse_foreign(SETTINGS)
        require()
        self._write()
        try:
            self._boot()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def start_node(self, name: str) -> None:
        """Start a node's slurmd; returns when the node is in service."""
        self._start(name, "slurmd", "-D", "-N", name)
        self._wait(lambda: self.node_state(name) in ("idle", "mixed", "allocated"), f"node {name}")

    def kill_node(self, name: str) -> None:
        """A node's sudden death: slurmd and all jobs on it, SIGKILL."""
        _end(self._daemons.pop(name))

    def pid(self, name: str) -> int:
        """First process of a daemon's namespace, such as a node's."""
        return self._daemons[name].pid

    def node_state(self, name: str) -> str:
        """Such as 'idle', 'mixed' or 'down'; flags, such as '*' for no answer, are left out."""
        said = self._ask("sinfo", "--noheader", "--nodes", name, "--format", "%T")
        return said.split("\n")[0].strip("*~#!%$@^- ")

    def queue(self, *states: str) -> list[ClusterJob]:
        """Jobs in the given states, or else those that wait or run; 'all' has the ended too."""
        chosen = ["--states", ",".join(states)] if states else []
        columns = ",".join(f"{name}:|" for name in COLUMNS)
        said = self._ask("squeue", "--noheader", *chosen, "--Format", columns)
        jobs = [ClusterJob(*line.split("|")[:-1]) for line in said.splitlines()]
        return [_with_rule(job) for job in jobs]

    def cancel(self, job: str) -> None:
        """scancel, by the job's id."""
        self._ask("scancel", job)

    def gpus_seen(self) -> dict[str, str]:
        """CUDA_VISIBLE_DEVICES of each job that has begun, by id; empty where it had none."""
        path = self.folder / "gpus"
        lines = path.read_text().splitlines() if path.exists() else []
        return {line.split(" ")[0]: line.partition(" ")[2] for line in lines}

    def stop(self) -> None:
        """End every daemon and job; nothing is left but files in the folder."""
        for name in list(self._daemons)[::-1]:
            _end(self._daemons.pop(name))
        (self.folder / "munge.sock").unlink(missing_ok=True)

    def _write(self) -> None:
        host, ports = socket.gethostname().split(".")[0], _free_ports(1 + len(NODES))
        lines = [
            LINE.format(name=name, host=host, port=port)
            for name, port in zip(NODES, ports[1:], strict=True)
        ]
        conf = CONF.format(host=host, folder=self.folder, control=ports[0], nodes="\n".join(lines))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        (self.folder / "slurm.conf").write_text(conf)
        (self.folder / "gres.conf").write_text(GRES)
        (self.folder / "prolog").write_text(PROLOG.format(folder=self.folder))
        (self.folder / "prolog").chmod(0o755)
        (self.folder / "munge.key").write_bytes(os.urandom(1024))
        (self.folder / "munge.key").chmod(0o400)
        (self.folder / "state").mkdir(exist_ok=True)

    def _boot(self) -> None:
        places = {
            "key-file": "munge.key",
            "socket": "munge.sock",
            "pid-file": "munged.pid",
            "seed-file": "munge.seed",
            "log-file": "munged.log",
        }
        words = [f"--{option}={self.folder / file}" for option, file in places.items()]
        # As root in a folder that others may read, munge wants to be told twice.
        self._start("munged", "munged", "--foreground", "--force", *words)
        self._wait((self.folder / "munge.sock").exists, "munged")
        self._start("slurmctld", "slurmctld", "-D")
        for name in NODES:
            self.start_node(name)

    def _start(self, name: str, *command: str) -> None:
        with (self.folder / f"{name}.out").open("a") as output:
            self._daemons[name] = subprocess.Popen(
                [*CUT, *APART, "bash", "-c", IN_PLACE, *command[:1], *command],
                env=os.environ | self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C in the terminal is not for daemons
            )

    def _ask(self, *command: str) -> str:
        """Output of a client command, empty where the controller does not answer."""
        environment = os.environ | self.environment
        return subprocess.run(command, env=environment, text=True, capture_output=True).stdout

    def _wait(self, ready, what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not ready():
            if time.monotonic() > deadline:
                raise NsgfError(f"{what} did not come up", f"see the logs in '{self.folder}'")
            time.sleep(0.1)


def refuse_foreign(settings: Path) -> None:
    """Leave a machine alone that has a SLURM of its own.

    Raises:
        NsgfError: the folder holds files that SLURM's packages did not put there.
    """
    found = {p.name for p in settings.iterdir()} if settings.exists() else set()
    if foreign := sorted(found - SHIPPED):
        raise NsgfError(
            f"'{settings}' holds {', '.join(foreign)}: this machine belongs to a SLURM cluster",
            "run these tests on a machine, or in a container, without one",
        )


def _with_rule(job: ClusterJob) -> ClusterJob:
    return ClusterJob(**{**vars(job), "rule": job.rule.removeprefix("rule_")})


def _end(daemon: subprocess.Popen) -> None:
    """SIGKILL to the first process of a namespace: its end waits for that of all others."""
    unshare = psutil.Process(daemon.pid)
    for process in unshare.children() or [unshare]:
        process.kill()
    daemon.wait()


def _free_ports(count: int) -> list[int]:
    """Ports that nobody has; held together, so that no two are equal."""
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()


def main() -> int:
    """Boot a cluster for a person; ends at the end of standard input."""
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with Cluster(folder) as cluster:
            print(f"export SLURM_CONF={cluster.environment['SLURM_CONF']}", flush=True)
            print("Ctrl-D ends the cluster.", file=sys.stderr)
            sys.stdin.read()
    except NsgfError as error:
        print(f"nsgf: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
