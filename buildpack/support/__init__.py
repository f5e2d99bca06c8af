"""The ground floor all three rooms stand on: programs, files, downloads, output, errors."""
