"""What a job is, and the table in which all of them stand."""
