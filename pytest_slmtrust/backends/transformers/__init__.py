"""Local models through transformers: the only package here that imports torch and transformers.

Importing the package, or ``lint``, ``fingerprint``, ``source`` and ``embedded``, loads neither.
"""
