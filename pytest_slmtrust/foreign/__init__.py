"""Results of other tools, read from their files: one module a format."""
