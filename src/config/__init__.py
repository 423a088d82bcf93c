"""The typed configuration: schema, loading, presets and the command line made from it."""
