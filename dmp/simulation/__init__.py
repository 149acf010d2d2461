"""Discrete-event simulation of the platform's queues: `model` runs it, `picture` draws it (extra `simulate`)."""
