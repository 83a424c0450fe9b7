"""What a CI server calls: the report of a pull request, the training that a commit asks for, the workflow files."""
