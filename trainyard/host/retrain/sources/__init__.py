"""From the name of a repository to its files, whatever the repository may try."""
