"""The built-in probes: the first third-party pack. It imports public ``pytest_slmtrust`` names only."""
