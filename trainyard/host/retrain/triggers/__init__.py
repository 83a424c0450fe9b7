"""What asks for a training without a request: pushes, schedules, new data, drift."""
