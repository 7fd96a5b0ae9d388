"""The shell: what every page stands in. Navigation, sidebar, address, session, messages, routes."""
