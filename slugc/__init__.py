"""The slug compiler: turns a source directory into a slug by driving any classic buildpack."""
