"""From a foreign topic to `feedback`: its records as events, each exactly once, however often the bridge dies."""
