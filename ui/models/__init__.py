"""List models and view models between events and QML."""
