"""The Helm chart: it lints, renders offline, and what it renders is what Kubernetes knows.

Renders with the least values that it takes and with everything on; what cannot be is refused by its name.
"""

import copy
import sys
from pathlib import Path

import kubernetes_validate
import yaml
from check import check, finish, same
from helm_python import Chart, lint
from helm_python.errors import HelmError

ROOT = Path(__file__).resolve().parent.parent.parent
CHART = ROOT / "deploy" / "helm" / "sysinfer"
#: Kubernetes whose schemas are held against: the newest that the package has.
VERSION = kubernetes_validate.latest_version()

LEAST = {"model": {"file": "model.gguf", "claim": "models"}}
FULL = {
    "model": {"file": "llama/model-00001-of-00002.gguf", "name": "llama3", "hostPath": "/srv/models"},
    "replicas": 3,
    "parallel": 32,
    "context": 8192,
    "kvMemory": "24G",
    "profile": "# a profile\n[plan]\nthreads = 8\n",
    "apiKeysSecret": "keys",
    "tlsSecret": "tls",
    "imagePullSecrets": [{"name": "registry"}],
    "tolerations": [{"key": "llm", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {"podAntiAffinity": {}},
    "service": {"type": "LoadBalancer", "port": 443, "annotations": {"a": "b"}},
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "securityContext": {"bindMemory": True},
    "podAnnotations": {"a": "1"},
    "podLabels": {"team": "llm"},
    "serviceAccount": {"annotations": {"a": "b"}},
    "extraEnv": [{"name": "SYSINFER_LOG", "value": "debug"}],
}
#: Kinds of other projects, which Kubernetes' schemas do not have.
FOREIGN = {"ScaledObject", "ServiceMonitor"}

chart = Chart.load(CHART)


def merged(base, **more):
    return {**copy.deepcopy(base), **more}


def documents(values, name="release"):
    """What the chart renders, without its notes."""
    rendered = chart.render(values, name=name, namespace="llm", is_install=True)
    found = []
    for path, text in rendered.items():
        if path.endswith((".yaml", ".yml")):
            found += [document for document in yaml.safe_load_all(text) if document]
    return found


def of(kind, values, name="release"):
    found = [document for document in documents(values, name) if document["kind"] == kind]
    assert len(found) == 1, f"{len(found)} of kind {kind}"
    return found[0]


def pod(values):
    return of("Deployment", values)["spec"]["template"]["spec"]


def refused(values, *words):
    try:
        chart.validate_schema(values)
        documents(values)
    except HelmError as error:
        missing = [word for word in words if word not in str(error)]
        assert not missing, f"{error} lacks {missing}"
    else:
        raise AssertionError(f"it was rendered, with {values}")


WAYS = {
    "the least values": LEAST,
    "all values": FULL,
    "an autoscaler": merged(LEAST, autoscaling={"enabled": True}),
    "KEDA": merged(LEAST, keda={"enabled": True}),
}

for way, values in WAYS.items():

    @check(f"{way}: lints, warnings too")
    def _(values=values):
        report = lint(CHART, values, strict=True, kube_version=f"v{VERSION}")
        worse = [message for message in report["messages"] if message["severity"] > 1]
        assert not worse and not report["errors"], (worse, report["errors"])
        same(report["total_charts_linted"], 1, "charts")

    @check(f"{way}: every document is one of Kubernetes {VERSION}")
    def _(values=values):
        chart.validate_schema(values)
        found = documents(values)
        assert found
        for document in found:
            if document["kind"] not in FOREIGN:
                kubernetes_validate.validate(document, VERSION, strict=True)

print("SKIPPED  ScaledObject and ServiceMonitor against schemas: they are of KEDA and of the Prometheus operator, whose schemas no package has", flush=True)


@check("a validator that finds nothing would be of no use")
def _():
    broken = of("Deployment", LEAST)
    broken["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    try:
        kubernetes_validate.validate(broken, VERSION, strict=True)
    except kubernetes_validate.ValidationError:
        return
    raise AssertionError("a field that does not exist was let through")


@check("pods are of class Guaranteed, with whole CPUs")
def _():
    for values in (LEAST, merged(LEAST, resources={"cpu": 48, "memory": "64Gi"})):
        resources = pod(values)["containers"][0]["resources"]
        same(resources["limits"], resources["requests"], "limits")
        assert resources["limits"]["cpu"].isdigit(), resources
    refused(merged(LEAST, resources={"cpu": 7.5, "memory": "16Gi"}), "cpu")


@check("nobody is root, nothing is written, no right is left")
def _():
    for values, added in ((LEAST, None), (FULL, ["SYS_NICE"])):
        spec = pod(values)
        container = spec["containers"][0]["securityContext"]
        assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["runAsUser"] > 0
        assert container["readOnlyRootFilesystem"] and not container["allowPrivilegeEscalation"]
        same(container["capabilities"]["drop"], ["ALL"], "drop")
        same(container["capabilities"].get("add"), added, "add")
        assert all(mount.get("readOnly") or mount["name"] == "tmp" for mount in spec["containers"][0]["volumeMounts"])
        assert spec["automountServiceAccountToken"] is False


@check("running answers have their time before the pod is killed")
def _():
    for seconds in (0, 30, 600):
        spec = pod(merged(LEAST, drainTimeout=seconds))
        assert f"--drain-timeout={seconds}" in spec["containers"][0]["args"]
        assert spec["terminationGracePeriodSeconds"] > seconds


@check("probes: readiness is /ready, liveness is /live, and loading has its time")
def _():
    for values, scheme in ((LEAST, "HTTP"), (FULL, "HTTPS")):
        container = pod(merged(values, startupTimeout=1801))["containers"][0]
        paths = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")}
        same({name: get["path"] for name, get in paths.items()}, {"startup": "/ready", "readiness": "/ready", "liveness": "/live"}, "paths")
        same({get["scheme"] for get in paths.values()}, {scheme}, "schemes")
        startup = container["startupProbe"]
        assert startup["periodSeconds"] * startup["failureThreshold"] >= 1801


@check("profile, keys and certificate are mounted where the arguments say")
def _():
    container = pod(FULL)["containers"][0]
    mounts = tuple(mount["mountPath"] + "/" for mount in container["volumeMounts"])
    files = [word.partition("=")[2] or word for word in container["args"]]
    files = [file for file in files if file.startswith("/")]
    same(len(files), 5, "model, profile, keys, certificate and its key")
    assert all(file.startswith(mounts) for file in files), (files, mounts)
    volumes = {volume["name"] for volume in pod(FULL)["volumes"]}
    same(volumes, {mount["name"] for mount in container["volumeMounts"]}, "volumes")
    profile = of("ConfigMap", FULL)["data"]["sysinfer-profile.toml"]
    same(profile.strip(), FULL["profile"].strip(), "profile")


@check("every option is one of the server's")
def _():
    import os, re, subprocess

    server = os.environ["SYSINFER_SERVER"]
    help_text = subprocess.run([server, "--help"], capture_output=True, text=True, check=True).stdout
    known = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", help_text))
    asked = {word.partition("=")[0] for word in pod(FULL)["containers"][0]["args"] if word.startswith("--")}
    assert asked <= known, f"the server has no {', '.join(sorted(asked - known))}"


@check("both services and every selector lead to the pods")
def _():
    for values in (LEAST, FULL):
        labels = of("Deployment", values)["spec"]["template"]["metadata"]["labels"]
        found = [document for document in documents(values) if document["kind"] in ("Service", "PodDisruptionBudget", "Deployment")]
        for document in found:
            selector = document["spec"]["selector"]
            selector = selector.get("matchLabels", selector)
            assert selector and selector.items() <= labels.items(), document["kind"]
            if document["kind"] == "Service":
                same(document["spec"]["ports"][0]["targetPort"], "http", "port")
    headless = [d for d in documents(LEAST) if d["kind"] == "Service" and d["spec"].get("clusterIP") == "None"]
    same(len(headless), 1, "headless services")


@check("the monitor reads each pod once")
def _():
    monitor = of("ServiceMonitor", FULL)["spec"]["selector"]
    wanted = {item["key"]: item["values"] for item in monitor["matchExpressions"]}
    read = [
        document
        for document in documents(FULL)
        if document["kind"] == "Service"
        and monitor["matchLabels"].items() <= document["metadata"]["labels"].items()
        and all(document["metadata"]["labels"].get(key) in values for key, values in wanted.items())
    ]
    same(len(read), 1, "services")


@check("an autoscaler has the deployment to itself")
def _():
    for name in ("autoscaling", "keda"):
        values = merged(LEAST, **{name: {"enabled": True, "maxReplicas": 9}})
        assert "replicas" not in of("Deployment", values)["spec"]
    hpa = of("HorizontalPodAutoscaler", merged(LEAST, autoscaling={"enabled": True}))["spec"]
    same(hpa["metrics"][0]["pods"]["metric"]["name"], "sysinfer_requests_waiting", "metric")
    same(hpa["scaleTargetRef"]["name"], of("Deployment", LEAST)["metadata"]["name"], "target")


@check("a single replica has no budget that would keep its node from being drained")
def _():
    kinds = lambda values: {document["kind"] for document in documents(values)}
    assert "PodDisruptionBudget" not in kinds(LEAST)
    assert "PodDisruptionBudget" in kinds(merged(LEAST, replicas=2))


@check("names fit, however long the release's is")
def _():
    for name in ("a", "sysinfer", "a" * 53):
        for document in documents(FULL, name):
            assert len(document["metadata"]["name"]) <= 63, document["metadata"]["name"]


@check("what cannot be is refused by its name")
def _():
    refused({}, "model")
    refused({"model": {"file": "model.gguf"}}, "model.claim", "model.hostPath")
    refused({"model": {"file": "model.gguf", "claim": "a", "hostPath": "/b"}}, "both")
    refused({"model": {"file": "model.bin", "claim": "a"}}, "file")
    refused({"model": {"file": "/models/model.gguf", "claim": "a"}}, "file")
    refused(merged(LEAST, autoscaling={"enabled": True}, keda={"enabled": True}), "autoscaling", "keda")
    refused(merged(LEAST, paralel=3), "paralel")
    refused(merged(LEAST, parallel=0), "parallel")
    refused(merged(LEAST, kvMemory="much"), "kvMemory")
    refused(merged(LEAST, securityContext={"runAsUser": 0}), "runAsUser")


finish()
