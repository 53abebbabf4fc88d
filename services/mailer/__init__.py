"""Which mail an event causes, and its delivery. Decides nothing about challenges, and stores no name or address in the clear."""
