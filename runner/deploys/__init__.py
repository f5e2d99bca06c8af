"""Deploys, rollbacks and promotions: how a slug becomes the release that runs."""
