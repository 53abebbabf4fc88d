"""What operators ask of a whole platform: `palio ops`. It looks at every part from outside; nothing of the platform imports it."""
