"""The same build as a Cloud Native Buildpack: layers and TOML for .heroku and .profile.d."""
