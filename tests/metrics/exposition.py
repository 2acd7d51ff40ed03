"""The text of /metrics as numbers, and quantiles as Prometheus has them."""

import math
import re
import urllib.request

LINE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')

# A proxy of the environment is not for this host.
LOCAL = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def text(url):
    """What is exported now."""
    with LOCAL.open(f"{url}/metrics", timeout=10) as answer:
        return answer.read().decode()


def read(url):
    """By name and labels, sorted: the values."""
    values = {}
    for line in text(url).splitlines():
        if line.startswith("#"):
            continue
        name, labels, value = LINE.match(line).groups()
        values[name, tuple(sorted(LABEL.findall(labels or "")))] = float(value)
    return values


def value(values, name, **labels):
    """One of them; None: it is not exported."""
    return values.get((name, tuple(sorted(labels.items()))))


def chosen(values, name, label):
    """The values of a label at which a metric is 1."""
    return [dict(labels)[label] for (found, labels), flag in values.items() if found == name and flag == 1]


class Histogram:
    """What a histogram without labels recorded between two readings."""

    def __init__(self, before, after, name):
        def grown(part, **labels):
            return value(after, f"{name}_{part}", **labels) - value(before, f"{name}_{part}", **labels)

        self.count = grown("count")
        self.sum = grown("sum")
        bounds = {dict(labels)["le"] for found, labels in after if found == f"{name}_bucket"}
        self.buckets = sorted((float(bound), grown("bucket", le=bound)) for bound in bounds)

    def mean(self):
        return self.sum / self.count

    def quantile(self, part):
        """The bucket that has it, and what histogram_quantile says: on a line within that bucket."""
        rank, low, below = part * self.count, 0.0, 0.0
        for bound, count in self.buckets:
            if count >= rank:
                between = low if math.isinf(bound) else low + (bound - low) * (rank - below) / (count - below)
                return low, bound, between
            low, below = bound, count
        return low, math.inf, low
