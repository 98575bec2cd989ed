"""What the author of a probe imports: declarations, probes, data files, properties, attack searches."""
