"""The engine's numbers as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from diptych.serve.api.log import RequestLog
from diptych.serve.engine import Engine
from diptych.serve.engine.counters import BOUNDS, Histogram


class Monitor:
    """Reads an engine whenever it is asked: nothing is counted twice, and nothing while nobody asks."""

    def __init__(self, engine: Engine, log: RequestLog) -> None:
        self.engine, self.log = engine, log
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    def collect(self) -> Iterator[Metric]:
        now, counters = self.engine.status(), self.engine.counters
        for name, help, value in (
            ("ready", "1 while a worker lives and has its models loaded.", now.ready),
            ("waiting", "Requests in the queue.", now.waiting),
            ("busy_workers", "Workers that translate.", now.running),
            ("workers", "Workers that live.", len(now.workers)),
        ):
            yield GaugeMetricFamily(f"diptych_{name}", help, value=float(value))
        yield CounterMetricFamily(
            "diptych_worker_restarts", "Workers that ended by themselves.", value=counters.restarts
        )
        yield CounterMetricFamily("diptych_retries", "Requests given to another worker.", value=counters.retries)
        kills = CounterMetricFamily("diptych_worker_kills", "Workers that the server ended.", labels=["why"])
        for why, count in sorted(counters.kills.items()):
            kills.add_metric([why], count)
        yield kills
        requests = CounterMetricFamily("diptych_requests", "Requests by outcome.", labels=["model", "code"])
        for (model, code), count in sorted(counters.outcomes.items()):
            requests.add_metric([model, code], count)
        yield requests
        answers = CounterMetricFamily("diptych_answers", "Answers over HTTP.", labels=["status", "code"])
        for (status, code), count in sorted(self.log.answers.items()):
            answers.add_metric([str(status), code], count)
        yield answers
        seconds = HistogramMetricFamily("diptych_seconds", "Seconds by stage.", labels=["model", "stage"])
        for (model, stage), histogram in sorted(counters.seconds.items()):
            seconds.add_metric([model, stage], buckets(histogram), histogram.total)
        yield seconds
        batches = CounterMetricFamily("diptych_batches", "Batches by size.", labels=["size"])
        for size, count in sorted(counters.batches.items()):
            batches.add_metric([str(size)], count)
        yield batches


def buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """Cumulative counts, as Prometheus wants them."""
    counts, total = [], 0
    for bound, count in zip((*map(str, BOUNDS), "+Inf"), histogram.counts, strict=True):
        total += count
        counts.append((bound, float(total)))
    return counts
