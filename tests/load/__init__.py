"""Load: many agents on several replicas, run by hand (`make load`)."""
