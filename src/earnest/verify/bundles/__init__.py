"""Bundles of evidence with known honesty: 60 that cheat, 60 that are merely awkward."""
