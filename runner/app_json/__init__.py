"""What an app says of itself in its app.json, as far as slug-run goes by it."""
