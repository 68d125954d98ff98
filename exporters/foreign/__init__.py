"""Another exporter's classifier, read and given the graph contract."""
