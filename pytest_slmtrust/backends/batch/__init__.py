"""Models that are asked by batches: files of requests, and files of answers that come later."""

#: Begins the word by which such a model is named: ``--slm=batch:MODEL``.
PREFIX = "batch:"
