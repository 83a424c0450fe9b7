"""Git repositories that jobs name: which may be named, and how one is fetched without giving it any power."""
