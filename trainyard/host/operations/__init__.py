"""What verbs do, as functions that other programs can call, too."""
