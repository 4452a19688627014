"""NSGF++ as an estimator."""

from nsgf.estimator.flows import NSGF


class NSGFPlusPlus(NSGF):
    """NSGF++: a few steps of the flow, then a straight flow from a predicted time on.

    Args:
        omega: longest step of the straight leg, units of interpolation time.
        others: as of `NSGF`; by default 5 steps that leave a third of the way.
    """

    method, left = "nsgf++", 0.33

    def __init__(self, blur="auto", steps=5, step_size="auto", *, omega=0.02, **others):
        super().__init__(blur, steps, step_size, **others)
        self.omega = omega

    @classmethod
    def _names(cls) -> list[str]:
        return [*NSGF._names(), "omega"]

    def _sampling(self) -> dict:
        return {"omega": self.omega}
