"""Ports of this machine that containers reach at their own localhost: named ones, no others."""
