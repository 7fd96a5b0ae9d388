"""The Noise schedules page: the noise levels of samplers on one axis, and their lint findings."""
