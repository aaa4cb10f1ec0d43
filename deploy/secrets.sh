#!/bin/sh
# Writes what docker-compose.yml needs into .env beside it: random secrets, for this machine alone. What is there stays:
# run it again after an update, it adds what is new. Who reads .env has every right; it is closed to other accounts.
set -eu
cd "$(dirname "$0")/.."
umask 077
touch .env
chmod 600 .env
for name in MARKETPULSE_USER_HASH_KEY MARKETPULSE_PAGE_TOKEN MARKETPULSE_INTAKE_TOKENS GRAFANA_PASSWORD \
  KAFKA_PASSWORD_ADMIN KAFKA_PASSWORD_WORKER KAFKA_PASSWORD_PRODUCER KAFKA_PASSWORD_READER KAFKA_PASSWORD_PAGE \
  KAFKA_PASSWORD_NOTIFIER KAFKA_PASSWORD_OPERATOR REDIS_PASSWORD_WORKER REDIS_PASSWORD_READER REDIS_PASSWORD_PAGE \
  REDIS_PASSWORD_OPERATOR; do
  grep -q "^$name=" .env || echo "$name=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')" >> .env
done
