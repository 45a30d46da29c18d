"""What a fleet is: its targets, where each of them is, and what its orders are carried out with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmigrate.fleet.places import Listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlmigrate.fleet.bringing import Workshop
    from sqlmigrate.fleet.inventory import Target
    from sqlmigrate.fleet.places import Place


@dataclass(frozen=True, slots=True)
class Fleet:
    """The targets of a project in their order, where each is, and what its orders are carried out with here.

    Where workers on other machines are to do that, `places` finds a target only when it is asked for.
    """

    places: Mapping[str, Place]
    workshop: Workshop

    @property
    def targets(self) -> Mapping[str, Target]:
        """The targets as their list has them."""
        if isinstance(self.places, Listed):
            return self.places.targets
        return {name: place.target for name, place in self.places.items()}

    def tags(self) -> dict[str, tuple[str, ...]]:
        """Return the tags of each target."""
        return {name: target.tags for name, target in self.targets.items()}

    def clusters(self) -> dict[str, str]:
        """Return the cluster of each target."""
        if isinstance(self.places, Listed):
            return {name: self.places.cluster(name) for name in self.places}
        return {name: place.cluster for name, place in self.places.items()}
