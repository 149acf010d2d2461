"""Kafka clients with the suite's settings.

One client for each purpose: kafka-python administers and reads, where speed does not matter; librdkafka
(confluent-kafka) produces, because it is ten times and more as fast (figures in docs/decisions.md): `Producer` for
programs that do one thing at a time, `AsyncProducer` for servers.
"""
