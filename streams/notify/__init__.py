"""Alerts to where people and programs are: Alertmanager, Apprise targets, signed webhooks."""
