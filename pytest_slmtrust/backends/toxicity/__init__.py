"""Toxicity scorers."""
