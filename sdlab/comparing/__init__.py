"""Samplers side by side: at equal cost, on the same noise, against a converged reference."""
