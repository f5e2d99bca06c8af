"""What the build does for Django, NLTK and web apps: static files, data, the default process."""
