"""Collectors: events from elsewhere into `dmp.events.raw`."""
