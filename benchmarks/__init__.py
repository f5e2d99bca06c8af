"""The measured claims of the README: each one command, each a ratio against a named peer."""
