"""Why an installation failed: from what programs print to what a person should do."""
