"""Audits in the formats of other systems: one small module a format, and one table of them (:mod:`.formats`)."""
