"""One run without pytest: suites, findings, and the audit that they make."""
