"""One file for each package manager: how its dependencies get into the virtualenv."""
