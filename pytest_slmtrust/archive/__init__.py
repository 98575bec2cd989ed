"""Audits on disk: written whole, read back, recomputed and compared."""
