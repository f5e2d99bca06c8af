"""What lies in the data directory, how old it is, and how to be rid of it without harm."""
