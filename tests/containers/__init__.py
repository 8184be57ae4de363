"""The image as it is built and run, by an engine of the check's own (`make containers`)."""
