"""Where an app comes from, and how it gets to a build dir: copied, fetched, guarded, pruned."""
