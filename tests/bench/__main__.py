"""Run every measurement and print its table."""

import sys

from tests.bench import http_clients, tool_calls

for measurement in (tool_calls, http_clients):
    sys.stdout.write("\n".join(measurement.report()) + "\n\n")
    sys.stdout.flush()
