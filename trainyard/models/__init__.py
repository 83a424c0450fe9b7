"""What train and predict functions import: tables, encoders, metrics, binaries, runs, a server for debugging."""
