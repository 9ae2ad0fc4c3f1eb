"""Charges to come: PortOne's schedules as we know them, and the plans that make one after the other."""
