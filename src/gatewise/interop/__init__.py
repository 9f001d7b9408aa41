"""Models from and to other frameworks and languages."""
