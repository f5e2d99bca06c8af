"""The Python buildpack: turns an app directory into a runnable tree, in place."""
