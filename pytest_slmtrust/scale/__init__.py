"""Audits that outgrow one process: shards whose stores are merged, batches, and sweeps over many models."""
