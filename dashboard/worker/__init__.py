"""One thread that owns the model and the engine; pages talk to it and read frozen snapshots."""
