"""The shell that all pages share: navigation, sidebar, address, session, messages, routes."""
