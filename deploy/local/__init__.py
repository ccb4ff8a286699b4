"""Servers of one's own on one machine: a private PostgreSQL cluster and an Apache Kafka broker.

Only the standard library is used. Nothing here listens anywhere but on loopback.
"""
