"""Config vars of an app: changed, shown, compared, and read from and written to files."""
