"""What fitting does: a pool and trainings by the pipeline's stages, taken up again after a kill."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from nsgf.config.base import deciding
from nsgf.config.pool import PoolStage
from nsgf.config.train import Training, TrainStage
from nsgf.data.problem import Problem
from nsgf.engine.state import work_state
from nsgf.registry import NETWORKS
from nsgf.stages import build_pool, train


@dataclass
class Work:
    """One fit.

    Attributes:
        unit: data set and training, which name random streams. digest: of the points.
        pool: what the velocity learns from. shard: folder for it. models: folder for networks.
    """

    problem: Problem
    unit: dict
    digest: str
    pool: PoolStage
    shard: Path
    models: Path

    def train(self, network: str, training: Training) -> None:
        """Train a network, and build the pool before where it needs one on disk."""
        streams = self.pool.pool.storage == "streaming"
        needs = NETWORKS[network].needs_pool
        if needs and not streams:
            self._build()
        stage = TrainStage(
            seed=self.pool.seed,
            network=network,
            training=training,
            compute=self.pool.compute,
            streaming=self.pool if needs and streams else None,
        )
        model = self.models / f"{network}.safetensors"
        outputs = {"model": model, "curve": model.with_suffix(".csv")}
        inputs = {"pool": sorted(self.shard.glob("*")) if needs and not streams else []}
        unit = self.unit | {"points": self.digest, "pool": deciding(self.pool) if needs else None}
        with work_state(self._key(stage)) as state:
            files = SimpleNamespace(inputs=inputs, outputs=outputs, state=state)
            train.learn(stage, unit, files, self.problem)

    def _build(self) -> None:
        outputs = {n: self.shard / n for n in build_pool.shard_files("", self.pool)}
        with work_state(self._key(self.pool)) as state:
            files = SimpleNamespace(inputs={}, outputs=outputs, state=state)
            build_pool.build(self.pool, self.unit | {"shard": 0}, files, self.problem)

    def _key(self, stage: PoolStage | TrainStage) -> list:
        return ["estimator", deciding(stage), deciding(self.pool), self.unit, self.digest]
