"""The HTML page, rendered from an audit's JSON and from nothing else."""
