"""The engine: events in, metrics, alerts and allocations out. One line a folder, in the order an event meets them.

contract     types of the journal; what the wire has is in `marketpulse.contract`, the clients in `marketpulse.client`
judgement    texts that people label: the draw, true shares, rater error, evidence on the confusion
privacy      redaction by kind (contacts, credentials, identifiers, numbers), hashes of users
kafka        how Kafka is spoken to
ledger       where counts are kept: Redis and its scripts
access       who may do what in Kafka and Redis
telemetry    instruments, logs, progress, spans
pipeline     the data's way: operators, ingest, classify, count, detect, rollup, reallocate
serving      what processes that answer HTTP share
worker       the worker process; `app.py` puts it together, `agents.py` is the whole pipeline on one page
intake       events by HTTP
bridge       events from another team's topic
dashboard    the live page
notify       alerts to where people are
recovery     first start, verify, replay, rebuild, reset, erase
backtest     rules tried on synthetic input and on the past
sources      files of users' feedback, in whatever encoding and form
dev          embedded servers, simulated feeds, runs, benchmarks
cli          the command line
"""
