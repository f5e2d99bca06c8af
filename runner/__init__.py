"""The slug runner: release -> formation -> containers."""
