"""Grafana's two dashboards: how the engine runs, and what the markets say."""

from collections.abc import Sequence

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models.common import (
    BigValueGraphMode,
    LegendDisplayMode,
    LegendPlacement,
    TooltipDisplayMode,
)
from grafana_foundation_sdk.models.dashboard import DataSourceRef

PROMETHEUS = DataSourceRef(type_val="prometheus", uid="${source}")
RANGE = "$__rate_interval"

Query = tuple[str, str]
"""PromQL and its legend."""


def _queries(panel: timeseries.Panel | stat.Panel, queries: Sequence[Query], instant: bool = False) -> None:
    for at, (expression, legend) in enumerate(queries):
        query = prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(chr(ord("A") + at))
        panel.with_target(query.instant() if instant else query.range())


def graph(title: str, unit: str, meaning: str, *queries: Query, span: int = 8) -> timeseries.Panel:
    """Lines over time; 24 columns make a row."""
    panel = timeseries.Panel().title(title).description(meaning).unit(unit).datasource(PROMETHEUS)
    panel.min(0).fill_opacity(8).height(8).span(span)
    panel.tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    panel.legend(legend.show_legend(True))
    _queries(panel, queries)
    return panel


def number(title: str, unit: str, meaning: str, expression: str) -> stat.Panel:
    """One value, now."""
    panel = stat.Panel().title(title).description(meaning).unit(unit).datasource(PROMETHEUS).height(4).span(4)
    panel.graph_mode(BigValueGraphMode.NONE).reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    _queries(panel, [(expression, "")], instant=True)
    return panel


def quantiles(metric: str, by: str = "", where: str = "") -> list[Query]:
    """The median and the 99th percentile of a histogram."""
    grouped = f"le, {by}" if by else "le"
    legend = f" {{{{{by}}}}}" if by else ""
    rates = f"sum by ({grouped}) (rate({metric}_bucket{where}[{RANGE}]))"
    return [(f"histogram_quantile({share}, {rates})", f"p{share * 100:.0f}{legend}") for share in (0.5, 0.99)]


def _dashboard(title: str, uid: str, meaning: str) -> dashboard.Dashboard:
    source = dashboard.DatasourceVariable("source").label("Prometheus").type("prometheus")
    made = dashboard.Dashboard(title).uid(uid).description(meaning).tags(["marketpulse"]).refresh("15s")
    return made.time("now-3h", "now").timezone("browser").readonly().with_variable(source)


def engine() -> dashboard.Dashboard:
    """Throughput, latency, lag, roll-up, servers, model, processes."""
    made = _dashboard("Marketpulse: engine", "marketpulse-engine", "From Kafka's records to published steps.")
    for panel in (
        number("Workers that work", "short", "Ready ones.", "sum(marketpulse_ready)"),
        number(
            "Events", "cps", "Counted per second.",
            f'sum(rate(marketpulse_records_counted_total{{result="event"}}[{RANGE}]))',
        ),
        number("Behind", "short", "Records that are not counted yet.", "sum(marketpulse_partition_lag_records)"),
        number("Behind", "s", "The partition that is furthest behind.", "max(marketpulse_partition_lag_seconds)"),
        number(
            "Age of the last step", "s", "Every 10 s at least.",
            "time() - max(marketpulse_step_published_timestamp_seconds)",
        ),
        number("Outbox", "short", "Records on their way to Kafka.", "max(marketpulse_outbox_records)"),
    ):  # fmt: skip
        made.with_panel(panel)
    made.with_row(dashboard.Row("Throughput"))
    for panel in (
        graph("Records", "cps", "Counted per second, by what they were.",
              (f"sum by (result) (rate(marketpulse_records_counted_total[{RANGE}]))", "{{result}}")),
        graph("Dead letters", "cps", "Per second, by code.",
              (f"sum by (code) (rate(marketpulse_dead_letters_total[{RANGE}])) > 0", "{{code}}")),
        graph("Answers of the ledger", "cps", "Batches per second; all but ok are worth a look.",
              (f"sum by (answer) (rate(marketpulse_commits_total[{RANGE}]))", "{{answer}}")),
        graph("Records of a batch", "short", "A slow model gets smaller batches.",
              *quantiles("marketpulse_batch_records")),
        graph("Batches in hand", "short", "Read and not committed; four wait at most per worker.",
              ("sum by (instance) (marketpulse_batches_in_flight)", "{{instance}}")),
        graph("Answer cache", "percentunit", "Share of texts that were known.",
              (f'sum(rate(marketpulse_cache_texts_total{{result="hit"}}[{RANGE}]))'
               f" / sum(rate(marketpulse_cache_texts_total[{RANGE}]))", "hits")),
    ):  # fmt: skip
        made.with_panel(panel)
    made.with_row(dashboard.Row("Latency"))
    for panel in (
        graph("From Kafka to counted", "s", "Age of a batch's oldest record when it was counted.",
              *quantiles("marketpulse_record_age_seconds")),
        graph("A batch, by stage", "s", "99th percentile.",
              *quantiles("marketpulse_stage_seconds", "stage",
                         '{stage=~"decode|deduplicate|classify|shadow|aggregate|classified|dead_letters|commit"}')[1:]),
        graph("A step, by stage", "s", "99th percentile; step = from the cut to the publication.",
              *quantiles("marketpulse_stage_seconds", "stage",
                         '{stage=~"cut|decide|publish|step|relay|allocate"}')[1:]),
        graph("Time spent, by stage", "percentunit", "Share of one second that all workers spend in a stage.",
              (f"sum by (stage) (rate(marketpulse_stage_seconds_sum[{RANGE}]))", "{{stage}}")),
        graph("Lag of partitions", "short", "Records that are not counted yet.",
              ("max by (partition) (marketpulse_partition_lag_records)", "{{partition}}")),
        graph("Lag of partitions", "s", "Age of the newest record read.",
              ("max by (partition) (marketpulse_partition_lag_seconds)", "{{partition}}")),
        graph("Duplicates are known for", "s", "Record time over which event ids are remembered, per partition.",
              ("max by (partition) (marketpulse_dedupe_horizon_seconds)", "{{partition}}"), span=12),
        graph("Event ids", "short", "Remembered, per partition; MARKETPULSE_DEDUPE_CAPACITY is the most.",
              ("max by (partition) (marketpulse_dedupe_ids)", "{{partition}}"), span=12),
    ):  # fmt: skip
        made.with_panel(panel)
    made.with_row(dashboard.Row("Roll-up and servers"))
    for panel in (
        graph("Lease", "short", "1 on the worker that rolls up.", ("marketpulse_lease_held", "{{instance}}")),
        graph("Steps", "cps", "Published per second.",
              (f"sum(rate(marketpulse_steps_total[{RANGE}]))", "steps"),
              (f"sum(rate(marketpulse_rollup_loads_total[{RANGE}]))", "loads of the state")),
        graph("Stream time behind now", "s", "How old the moment is that the metrics describe.",
              ("max(marketpulse_stream_time_delay_seconds)", "T")),
        graph("Outbox", "short", "Records that wait, and relayed per second.",
              ("max(marketpulse_outbox_records)", "waiting"),
              (f"sum(rate(marketpulse_relayed_records_total[{RANGE}]))", "relayed per second")),
        graph("Servers away", "cps", "Failed tries per second.",
              (f"sum by (server) (rate(marketpulse_unavailable_total[{RANGE}]))", "{{server}}")),
        graph("Waiting", "s", "For what, and for how long already.",
              ("max by (instance, what) (marketpulse_waiting_seconds)", "{{instance}} {{what}}")),
    ):  # fmt: skip
        made.with_panel(panel)
    made.with_row(dashboard.Row("Processes"))
    models = table.Panel().title("Models").description("What runs where.").datasource(PROMETHEUS).height(8).span(24)
    models.show_header(True).with_target(
        prometheus.Dataquery().expr("marketpulse_model_info").instant().format("table").ref_id("A")
    )
    for panel in (
        graph("CPU", "percentunit", "Cores in use.",
              (f'rate(process_cpu_seconds_total{{job=~"marketpulse-.+"}}[{RANGE}])', "{{instance}}")),
        graph("Memory", "bytes", "Resident.",
              ('process_resident_memory_bytes{job=~"marketpulse-.+"}', "{{instance}}")),
        graph("File descriptors", "short", "Open ones.",
              ('process_open_fds{job=~"marketpulse-.+"}', "{{instance}}")),
        graph("Standing still", "short", "Parts that do not move; a worker ends itself for it.",
              ("marketpulse_stalled_parts", "{{instance}}")),
        graph("Garbage collections", "cps", "Per second, of generation 2.",
              (f'rate(python_gc_collections_total{{generation="2",job=~"marketpulse-.+"}}[{RANGE}])', "{{instance}}")),
        graph("Page", "cps", "Views made per second.",
              (f"sum(rate(marketpulse_page_views_total[{RANGE}]))", "views"),
              ("min(marketpulse_page_ready)", "can read")),
        models,
    ):  # fmt: skip
        made.with_panel(panel)
    return made


def markets() -> dashboard.Dashboard:
    """User experience, growth and volume per market; alerts, shifts, allocations."""
    made = _dashboard("Marketpulse: markets", "marketpulse-markets", "What users say, and what follows from it.")
    for panel in (
        number("Markets", "short", "Ever seen.", "max(marketpulse_markets)"),
        number("Events of 24 h", "short", "All markets.", "sum(marketpulse_market_events)"),
        number("Alerts", "short", "Firing, recoveries apart.", 'sum(marketpulse_alerts_firing{kind!="recovery"})'),
        number("Stream time", "s", "Behind now.", "max(marketpulse_stream_time_delay_seconds)"),
        number("Step", "none", "Published last.", "max(marketpulse_step_number)"),
        number("Shifts of a day", "short", "What moved the allocator.", "sum(increase(marketpulse_shifts_total[1d]))"),
    ):
        made.with_panel(panel)
    for panel in (
        graph("User experience u", "percentunit", "Over 24 h, per market.",
              ("max by (market) (marketpulse_market_user_experience_ratio)", "{{market}}"), span=12),
        graph("Expansion speed r", "none", "Per day, over 24 h; absent while the stream does not cover it.",
              ("max by (market) (marketpulse_market_expansion_speed_per_day)", "{{market}}"), span=12).min(-0.5),
        graph("Events", "short", "Of the last 24 h, per market.",
              ("max by (market) (marketpulse_market_events)", "{{market}}"), span=12),
        graph("Alerts that fire", "short", "By kind.",
              ("max by (kind) (marketpulse_alerts_firing)", "{{kind}}"), span=12),
        graph("Changes of alerts", "short", "In an hour, by kind and state.",
              ("sum by (kind, state) (increase(marketpulse_alert_changes_total[1h]))", "{{kind}} {{state}}")),
        graph("Shifts", "short", "In an hour, by cause.",
              ("sum by (cause) (increase(marketpulse_shifts_total[1h]))", "{{cause}}")),
        graph("Answers of the allocator", "short", "In an hour, by status.",
              ("sum by (status) (increase(marketpulse_allocations_total[1h]))", "{{status}}")),
    ):  # fmt: skip
        made.with_panel(panel)
    return made
