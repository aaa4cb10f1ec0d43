"""How long a connection to Kafka may be silent."""

REQUEST_TIMEOUT_S = 20.0
"""Seconds after which a request is given up, and its connection with it.

A process has several connections: of its group, of reading, of each producer. Where all of them are dead without a word
(a firewall that forgot them), it finds out one after the other, as it comes to need them; with aiokafka's own 40 s that
took 92 s. A broker needs less for any answer but the one to a group that waits for members, which is asked for again.
"""
REQUEST_TIMEOUT_MS = int(REQUEST_TIMEOUT_S * 1_000)
