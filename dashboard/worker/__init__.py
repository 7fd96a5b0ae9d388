"""One thread that owns the model and the engine; pages call it and read frozen snapshots."""
