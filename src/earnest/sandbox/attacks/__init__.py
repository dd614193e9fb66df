"""Hostile programs that every sandbox must hold, shipped with the package (docs/selftest.md)."""

from __future__ import annotations

from earnest.sandbox.attacks.kit import Attack


def all_attacks() -> tuple[Attack, ...]:
    """Return every attack, by family. Names are unique."""
    from earnest.sandbox.attacks import (
        calls,
        clock,
        files,
        leftovers,
        namespaces,
        network,
        privilege,
        processes,
        resources,
        sealed,
        supervisor,
    )

    modules = (
        files,
        processes,
        network,
        namespaces,
        calls,
        privilege,
        sealed,
        supervisor,
        resources,
        clock,
        leftovers,
    )
    return tuple(attack for module in modules for attack in module.ATTACKS)
