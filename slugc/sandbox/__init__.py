"""The build sandboxes, each imported only when it is used."""
