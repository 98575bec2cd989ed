"""Requests answered once: waves over all cases, and the store that keeps the answers."""
