"""The services of the platform, one package each. They never import each other."""
