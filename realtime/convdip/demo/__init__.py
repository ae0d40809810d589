"""The demo: a simulated session, its verdict, its pictures."""
