"""Drift: where our rows and PortOne's snapshots differ, found by comparing, healed or left to a person."""
