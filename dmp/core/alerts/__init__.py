"""Alerts: rules over the windows of dmp.metrics and dmp.quality, and incidents that open, update and resolve.

`rules` says what a rule may say, `windows` makes series of windows out of result rows, `detectors` judges a window
against its past, `incidents` makes one alert of one incident, `timeline` corrects what was judged.
"""
