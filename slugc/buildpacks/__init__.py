"""Buildpacks of any kind: which ones, from where, whether they may run, and running them."""
