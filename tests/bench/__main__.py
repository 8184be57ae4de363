"""Run every measurement and print its table."""

import sys

from tests.bench import footprint, http_clients, replicas, tool_calls, waiting

for measurement in (tool_calls, replicas, footprint, http_clients, waiting):
    sys.stdout.write("\n".join(measurement.report()) + "\n\n")
    sys.stdout.flush()
