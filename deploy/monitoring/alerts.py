"""Alert rules on the metrics of workers, page, intake and notifier; each leads to a section of docs/operations.md."""

from dataclasses import dataclass
from typing import Any, Literal

RUNBOOK = "docs/operations.md#"


@dataclass(frozen=True)
class Alarm:
    """One rule: a PromQL condition that must hold for a time; `{{ ... }}` in texts is Prometheus's templating."""

    name: str
    condition: str
    lasts: str
    severity: Literal["critical", "warning", "info"]
    summary: str
    description: str
    runbook: str

    def rule(self) -> dict[str, Any]:
        """The rule as Prometheus reads it."""
        return {
            "alert": self.name,
            "expr": self.condition,
            "for": self.lasts,
            "labels": {"severity": self.severity},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook": RUNBOOK + self.runbook,
            },
        }


ALARMS = (
    Alarm(
        "MarketpulseNoWorker",
        "absent(marketpulse_ready) or max(marketpulse_ready) == 0",
        "2m",
        "critical",
        "No worker works",
        "No worker is ready: nothing is counted. Records wait in Kafka.",
        "workers-are-gone",
    ),
    Alarm(
        "MarketpulseWorkerDown",
        'up{job="marketpulse-worker"} == 0',
        "1m",
        "warning",
        "Worker {{ $labels.instance }} does not answer",
        "Its partitions go to other workers within the session time-out.",
        "workers-are-gone",
    ),
    Alarm(
        "MarketpulseWorkerRestarts",
        'changes(process_start_time_seconds{job="marketpulse-worker"}[15m]) > 3',
        "0m",
        "warning",
        "Worker {{ $labels.instance }} starts again and again",
        "{{ $value }} starts in 15 minutes. The last log line of each life, process_ends, says why.",
        "workers-are-gone",
    ),
    Alarm(
        "MarketpulseWorkerNotReady",
        "marketpulse_ready == 0",
        "5m",
        "warning",
        "Worker {{ $labels.instance }} is not ready",
        "It waits for Kafka, Redis or a partition's claim; /readyz says which.",
        "a-worker-is-not-ready",
    ),
    Alarm(
        "MarketpulseWorkerStalled",
        "marketpulse_stalled_parts > 0",
        "1m",
        "critical",
        "Worker {{ $labels.instance }} stands still",
        "{{ $value }} parts do not move although nothing outside is waited for. It ends itself with exit code 75.",
        "a-worker-is-not-ready",
    ),
    Alarm(
        "MarketpulseServerUnavailable",
        "sum by (server) (increase(marketpulse_unavailable_total[2m])) > 0",
        "2m",
        "critical",
        "{{ $labels.server }} is away or refuses",
        "Workers wait and try again; nothing is lost, lag grows.",
        "what-it-looks-like-when-something-is-away",
    ),
    Alarm(
        "MarketpulseLedgerFull",
        'sum(increase(marketpulse_commits_total{answer="full"}[5m])) > 0',
        "2m",
        "critical",
        "The ledger is at a bound",
        "Commits wait: no step is published, or steps are too slow for what comes in.",
        "roll-up-stalled",
    ),
    Alarm(
        "MarketpulseNoLeaseHolder",
        "max(marketpulse_lease_held) == 0",
        "1m",
        "critical",
        "Nobody rolls up",
        "No worker holds the roll-up lease: tables, alerts and allocations stay as they are.",
        "roll-up-stalled",
    ),
    Alarm(
        "MarketpulseStepsOld",
        "time() - max(marketpulse_step_published_timestamp_seconds) > 60",
        "1m",
        "critical",
        "The last step is {{ $value | humanizeDuration }} old",
        "A step is published every 10 s at least, also where nothing comes in.",
        "roll-up-stalled",
    ),
    Alarm(
        "MarketpulseStreamTimeBehind",
        "max(marketpulse_stream_time_delay_seconds) > 900",
        "10m",
        "warning",
        "Metrics describe a moment {{ $value | humanizeDuration }} ago",
        "Old records are counted (a backlog, a replay), or one partition holds the others back.",
        "counting-is-behind",
    ),
    Alarm(
        "MarketpulseLag",
        "max(marketpulse_partition_lag_seconds) > 300",
        "10m",
        "warning",
        "Counting is {{ $value | humanizeDuration }} behind",
        "More comes in than workers count.",
        "counting-is-behind",
    ),
    Alarm(
        "MarketpulseCommitsSlow",
        'histogram_quantile(0.99, sum by (le) (rate(marketpulse_stage_seconds_bucket{stage="commit"}[5m]))) > 1',
        "10m",
        "warning",
        "Commits take {{ $value | humanizeDuration }}",
        "One commit in a hundred is slower than that; Redis is busy, far away or short of CPU.",
        "counting-is-behind",
    ),
    Alarm(
        "MarketpulseOutboxGrows",
        "max(marketpulse_outbox_records) > 10000",
        "5m",
        "warning",
        "{{ $value }} records wait in the outbox",
        "Alerts, shifts and the journal reach Kafka late; Redis's memory grows.",
        "the-outbox-grows",
    ),
    Alarm(
        "MarketpulseDeadLetters",
        'sum(rate(marketpulse_records_counted_total{result="dead_letter"}[10m]))'
        " / sum(rate(marketpulse_records_counted_total[10m])) > 0.1",
        "10m",
        "warning",
        "{{ $value | humanizePercentage }} of records are dead letters",
        "A producer breaks the contract; marketpulse_dead_letters_total tells by code.",
        "dead-letters",
    ),
    Alarm(
        "MarketpulseAllocationRefused",
        'sum by (status) (increase(marketpulse_allocations_total{status=~"failed|infeasible"}[1h])) > 0',
        "0m",
        "warning",
        "The allocator's answer is {{ $labels.status }}",
        "The plan before it stays in force.",
        "markets-and-budget",
    ),
    Alarm(
        "MarketpulseModelOnCpu",
        "marketpulse_model_fell_back == 1",
        "5m",
        "warning",
        "Worker {{ $labels.instance }} was built for a GPU and runs on the CPU",
        "It counts on, more slowly.",
        "models-and-devices",
    ),
    Alarm(
        "MarketpulseModelsDiffer",
        "count(count by (sha256) (marketpulse_model_info)) > 1",
        "15m",
        "warning",
        "{{ $value }} different models are at work",
        "A rollout that was not finished; results depend on the partition.",
        "models-and-devices",
    ),
    Alarm(
        "MarketpulseDescriptors",
        'process_open_fds{job=~"marketpulse-.+"} / process_max_fds > 0.8',
        "10m",
        "warning",
        "{{ $labels.instance }} has hardly any file descriptors left",
        "{{ $value | humanizePercentage }} are in use.",
        "a-worker-is-not-ready",
    ),
    Alarm(
        "MarketpulsePageUnavailable",
        'marketpulse_page_ready == 0 or up{job="marketpulse-page"} == 0',
        "2m",
        "warning",
        "The live page cannot be read",
        "It does not answer, or it cannot read Redis.",
        "the-page-is-away",
    ),
    Alarm(
        "MarketpulseIntakeNotReady",
        'marketpulse_intake_ready == 0 or up{job="marketpulse-intake"} == 0',
        "1m",
        "critical",
        "Intake {{ $labels.instance }} takes no events",
        "It does not answer, or Kafka does not answer it: clients get 503 and keep their events.",
        "the-intake-takes-nothing",
    ),
    Alarm(
        "MarketpulseIntakeUnacknowledged",
        'sum by (instance) (rate(marketpulse_intake_events_total{result="unacknowledged"}[5m])) > 0',
        "5m",
        "warning",
        "Kafka does not acknowledge what intake {{ $labels.instance }} sends",
        "{{ $value }} events a second are answered 503 although they were sent: clients send them again.",
        "the-intake-takes-nothing",
    ),
    Alarm(
        "MarketpulseSinkFails",
        "max by (sink) (marketpulse_notify_failing_seconds) > 300",
        "1m",
        "critical",
        "Alerts do not reach sink {{ $labels.sink }}",
        "It has failed for {{ $value | humanizeDuration }}; messages are tried for its retry_for, then given up.",
        "a-sink-does-not-deliver",
    ),
    Alarm(
        "MarketpulseAlertsUndelivered",
        "sum by (sink) (increase(marketpulse_notify_undelivered_total[1h])) > 0",
        "0m",
        "critical",
        "Alerts for sink {{ $labels.sink }} were given up",
        "The receiver refuses them, or was away for too long; the notifier's log names each as alert_undelivered.",
        "a-sink-does-not-deliver",
    ),
    Alarm(
        "MarketpulseNotifierDown",
        'up{job="marketpulse-notify"} == 0',
        "2m",
        "warning",
        "The notifier {{ $labels.instance }} does not answer",
        "Nobody is told of alerts until it, or another one, is back; nothing is lost.",
        "the-notifier-is-away",
    ),
    Alarm(
        "MarketpulseFeedback",
        'sum by (kind) (marketpulse_alerts_firing{kind!="recovery"}) > 0',
        "0m",
        "info",
        "{{ $value }} alerts of kind {{ $labels.kind }}",
        "What users say, or what comes in: `marketpulse alerts`, or the page.",
        "alerts",
    ),
)


def rules() -> dict[str, Any]:
    """The rule file."""
    return {"groups": [{"name": "marketpulse", "interval": "15s", "rules": [one.rule() for one in ALARMS]}]}


def scraping() -> dict[str, Any]:
    """Prometheus's configuration for docker-compose.yml: workers by their name in DNS, page, intake and notifier."""

    def job(name: str, service: str, port: int) -> dict[str, Any]:
        found = {"names": [service], "type": "A", "port": port, "refresh_interval": "15s"}
        return {"job_name": f"marketpulse-{name}", "dns_sd_configs": [found]}

    return {
        "global": {"scrape_interval": "15s", "evaluation_interval": "15s"},
        "rule_files": ["rules.yml"],
        "scrape_configs": [
            {
                **job("worker", "worker", 8081),
                "dns_sd_configs": [
                    job("worker", service, 8081)["dns_sd_configs"][0] for service in ("worker", "worker-gpu")
                ],
            },
            job("page", "page", 8081),
            job("intake", "intake", 8081),
            job("notify", "notify", 8081),
        ],
    }
