"""How long to wait before trying again."""

from __future__ import annotations

import random
from collections.abc import Callable


class Backoff:
    """Pauses that double from `least` up to `most`, each a fifth more or less at random."""

    def __init__(self, least: float, most: float, rand: Callable[[], float] = random.random) -> None:
        self._least = least
        self._most = most
        self._rand = rand
        self._next = least

    def reset(self) -> None:
        """It worked: the next pause is the shortest again."""
        self._next = self._least

    def pause(self, at_least: float | None = None) -> float:
        """Seconds to wait now; `at_least` is what the broker asked for."""
        pause = self._next * (0.8 + 0.4 * self._rand())
        self._next = min(self._next * 2, self._most)
        return min(max(pause, at_least or 0.0), self._most)
