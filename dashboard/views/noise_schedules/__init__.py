"""The Noise schedules page: samplers' levels on one axis, with what lint says of them."""
