"""Denoisers: what answers a solver's queries. A network, or an exact analytic one."""
