"""Which desk does a request belong to? pytest --slm=MODEL examples/routing/probe_routing.py"""

from pathlib import Path

from pytest_slmtrust import Bar, label_probe

BAR = Bar("2026-11-01", accuracy=0.85, latency_p95="2000ms")
ROWS = Path(__file__).with_name("requests.csv")
TASK = "Say which desk of a shop a customer's request belongs to."

routes_by_reply = label_probe(ROWS, BAR, name="routes_by_reply", task=TASK)
routes_by_likelihood = label_probe(ROWS, BAR, name="routes_by_likelihood", task=TASK, by="likelihood")
