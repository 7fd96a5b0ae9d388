"""The Noised images page: a picture at every noise level that a sampler visits."""
