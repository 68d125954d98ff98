"""The settings of the service: one TOML file, the environment over it, flags over both."""
