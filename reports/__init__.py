"""Templates, styles and schemas of the report: files only, no logic."""
