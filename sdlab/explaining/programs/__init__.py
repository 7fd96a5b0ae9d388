"""What each program does that its files do not say, or say in its own words; one a file."""
