"""Tests that other tools define, as probes: tasks of lm-evaluation-harness and probes of garak."""
