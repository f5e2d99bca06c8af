"""What the packages of an app weigh, what is worth saying of it, and what may be left out."""
