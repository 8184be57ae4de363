"""Run every measurement and print its table."""

import sys

from tests.bench import http_clients, tool_calls, waiting

for measurement in (tool_calls, http_clients, waiting):
    sys.stdout.write("\n".join(measurement.report()) + "\n\n")
    sys.stdout.flush()
