"""What a monorepo holds: model directories, projects, sources, revisions."""
