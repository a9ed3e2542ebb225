"""What is to be measured, and at which sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.bench.contenders import CONTENDERS, Contender


@dataclass(frozen=True)
class Sizes:
    """Numbers of sessions; `compared` is the size that the goals speak of."""

    first: Sequence[int] = (2_000, 20_000, 100_000)
    compared: int = 20_000
    small: int = 200_000
    changes: int = 100
    latency: Mapping[str, int] = field(default_factory=lambda: {"v2": 20_000, "v3": 2_000})
    growth: Sequence[int] = (10_000, 100_000, 500_000)

    def divided(self, by: int) -> Sizes:
        """Stand-ins, to try the benchmark itself."""
        return Sizes(
            [size // by for size in self.first],
            self.compared // by,
            self.small // by,
            self.changes,
            {api: size // by for api, size in self.latency.items()},
            [size // by for size in self.growth],
        )


@dataclass(frozen=True)
class Plan:
    """Everything that was asked for; `everything` is also what takes minutes and gigabytes."""

    sizes: Sizes = field(default_factory=Sizes)
    runs: int = 3
    apis: Sequence[str] = ("v2", "v3")
    contenders: Sequence[Contender] = CONTENDERS
    latency: float = 0
    everything: bool = False
