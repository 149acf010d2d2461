"""The HTTP collector: a server of the Segment HTTP Tracking API in front of Kafka.

Source: https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/.
"""
