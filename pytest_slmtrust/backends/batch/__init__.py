"""Models that are asked by batches: files of requests, and files of answers that come later."""
