"""Statements about an audit that a key signs, and what a reader can check of one: three separate answers."""
