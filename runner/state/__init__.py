"""What slug-run remembers of apps: releases, config vars and formation, in one SQLite file."""
