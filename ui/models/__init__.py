"""List models and view models: what QML sees of the core's snapshots and events."""
