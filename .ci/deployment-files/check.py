"""What .ci/deployments checks of Kubernetes and Compose: check.py BINARY."""

import configparser
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import kubernetes_validate
import yaml
from compose_spec import PyCompose

ROOT = Path(__file__).resolve().parents[2]
MANIFESTS = ROOT / "packaging/kubernetes"
PAGE = ROOT / "docs/how-to/kubernetes.md"
# The oldest and the newest that the files are for.
VERSIONS = ["1.29", "1.37"]
# How long the server takes to end after the delay, with a margin (docs/how-to/production.md).
STOPS_WITHIN = 40
# What the server chooses by itself in production.
DELAY = 5


def fail(message):
    sys.exit(f"the deployments failed: {message}")


def is_equal(what, expected, found):
    if expected != found:
        fail(f"{what}: expected {expected}, got {found}")


# Settings.


def known_settings(binary):
    with tempfile.TemporaryDirectory() as empty:
        told = subprocess.run([binary, "--help"], cwd=empty, env={}, check=True, capture_output=True, text=True).stdout
    known = set(re.findall(r"\[env:\s+([A-Z0-9_]+)", told))
    if len(known) < 40:
        fail(f"the help of the program lists {len(known)} settings")
    return known


def check_settings(where, given, known):
    if not given:
        fail(f"no setting was found in {where}")
    for name in sorted(given - known):
        fail(f"{where} sets {name}, which is no setting of the program")
    print(f"ok: {where} sets {len(given)} settings of the program")


def unit():
    """The unit of systemd. The same key may stand in it twice, and its last value is kept."""
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters="=")
    parser.optionxform = str
    parser.read(ROOT / "packaging/portcullis.service")
    return parser["Service"]


def image():
    """What the image sets, and its user."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    last = text[text.rindex("\nFROM "):]
    variables = dict(pair.split("=", 1) for line in re.findall(r"^ENV (.*)$", last, re.M) for pair in line.split())
    return variables, re.search(r"^USER (\d+):(\d+)$", last, re.M).groups()


# Kubernetes.


def documents():
    """The manifests by kind. Those of one kustomization have one object of a kind."""
    kustomization = yaml.safe_load((MANIFESTS / "kustomization.yaml").read_text())
    apart = {"kustomization.yaml", "secrets.example.yaml"}
    files = {path.name for path in MANIFESTS.glob("*.yaml")}
    is_equal("the files of the kustomization", sorted(files - apart), sorted(kustomization["resources"]))
    found = {}
    for file in sorted(files - {"kustomization.yaml"}):
        for document in yaml.safe_load_all((MANIFESTS / file).read_text()):
            if found.setdefault(document["kind"], document) is not document:
                fail(f"there are two objects of the kind {document['kind']}")
    return kustomization, found


def snippets():
    """The manifests that the page shows."""
    for block in re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(), re.M | re.S):
        yield from (document for document in yaml.safe_load_all(block) if "apiVersion" in document)


def check_schemas(objects):
    for version in VERSIONS:
        for document in objects:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                fail(f"{document['kind']}, Kubernetes {version}: {error.message}")
    print(f"ok: {len(objects)} objects are what Kubernetes {' and '.join(VERSIONS)} take")


def variables_of(container, settings):
    """What a container gets, in the order in which the later counts."""
    variables = {}
    for source in container["envFrom"]:
        is_equal("the settings of a container", settings["metadata"]["name"], source["configMapRef"]["name"])
        variables |= settings["data"]
    return variables | {entry["name"]: entry["value"] for entry in container["env"]}


def check_pod(kind, pod, user):
    """What the strictest Pod Security Standard asks, and the user of the image."""
    security, [container] = pod["securityContext"], pod["containers"]
    held = container["securityContext"]
    is_equal(f"the user of the {kind}", user, (str(security["runAsUser"]), str(security["runAsGroup"])))
    is_equal(f"the group of its files in the {kind}", security["runAsGroup"], security["fsGroup"])
    is_equal(f"what confines the {kind}", [True, "RuntimeDefault", False, True, ["ALL"]], [
        security["runAsNonRoot"], security["seccompProfile"]["type"], held["allowPrivilegeEscalation"],
        held["readOnlyRootFilesystem"], held["capabilities"]["drop"]])
    is_equal(f"the token of the cluster in the {kind}", False, pod["automountServiceAccountToken"])
    if "memory" not in container["resources"]["limits"]:
        fail(f"the {kind} has no limit of memory")


def check_references(objects):
    """Names and labels lead somewhere, which no schema knows."""
    pod = objects["Deployment"]["spec"]["template"]
    [container] = pod["spec"]["containers"]
    labels, job_labels = pod["metadata"]["labels"], objects["Job"]["spec"]["template"]["metadata"]["labels"]
    spread = [constraint["labelSelector"]["matchLabels"] for constraint in pod["spec"]["topologySpreadConstraints"]]
    selectors = [objects["Service"]["spec"]["selector"], *spread] + [
        objects[kind]["spec"]["selector"]["matchLabels"] for kind in ["Deployment", "PodDisruptionBudget"]]
    for selector in selectors:
        if not selector.items() <= labels.items():
            fail(f"{selector} selects no instance")
        if selector.items() <= job_labels.items():
            fail(f"{selector} selects the migrations too")
    policy = objects["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"].items()
    if not (policy <= labels.items() and policy <= job_labels.items()):
        fail("the network policy leaves a pod out")

    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    settings = objects["ConfigMap"]["data"]
    is_equal("the ports", ports, {
        name: int(settings[setting].rpartition(":")[2])
        for name, setting in [("http", "LISTEN"), ("metrics", "METRICS_LISTEN")]})
    named = [port["targetPort"] for port in objects["Service"]["spec"]["ports"]]
    named += [port["port"] for rule in objects["NetworkPolicy"]["spec"]["ingress"] for port in rule["ports"]]
    named += [probe["httpGet"]["port"] for probe in probes(container)]
    for name in named:
        if name not in ports:
            fail(f"the container has no port {name}")
    is_equal("the port that is scraped", str(ports["metrics"]), pod["metadata"]["annotations"]["prometheus.io/port"])
    print("ok: selectors and ports")


def probes(container):
    return [container[name] for name in ["startupProbe", "livenessProbe", "readinessProbe"]]


def check_times(objects, container):
    """How long an instance may take to begin and to end."""
    settings = objects["ConfigMap"]["data"]
    delay = int(settings["SHUTDOWN_DELAY_SECONDS"])
    grace = objects["Deployment"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    is_equal("the grace period of the Deployment", delay + STOPS_WITHIN, grace)
    startup, _, readiness = probes(container)
    if readiness["periodSeconds"] * readiness["failureThreshold"] >= delay:
        fail("the server stops before it is seen not to be ready")
    if startup["periodSeconds"] * startup["failureThreshold"] <= int(settings.get("DATABASE_WAIT_SECONDS", 60)):
        fail("a server that waits for its database is restarted")


# A container without an engine.


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


INSIDE = """set -euo pipefail
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p "$MOUNT"
for file in "$FILES"/*; do install -m "$MODE" -g "$GROUP" "$file" "$MOUNT"; done
mount -o remount,bind,ro /
cd /
exec setpriv --reuid "$OWNER" --regid "$GROUP" --clear-groups --no-new-privs --bounding-set -all --inh-caps -all -- \\
    env -i "$@"
"""


def contained(pod, variables, files, binary, log):
    """A container of a pod as a process: its user without rights, a file system that cannot be written, and the files
    of its Secret, with their mode, where it is mounted."""
    [container], [volume] = pod["containers"], pod["volumes"]
    [mount] = container["volumeMounts"]
    is_equal("the volume", volume["name"], mount["name"])
    security = pod["securityContext"]
    given = {
        "PATH": os.environ["PATH"], "MOUNT": mount["mountPath"], "FILES": str(files),
        "MODE": f"{volume['secret']['defaultMode']:o}", "OWNER": str(security["runAsUser"]), "GROUP": str(security["fsGroup"]),
    }
    inside = [f"{name}={value}" for name, value in variables.items()] + [binary, *container["args"]]
    return subprocess.Popen(["unshare", "--mount", "--propagation", "private", "bash", "-c", INSIDE, "-", *inside],
                            env=given, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def write_files(folder, values):
    folder.mkdir()
    for name, value in values.items():
        (folder / name).write_text(value)
    return folder


def status(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def psql(statement):
    subprocess.run(["psql", "-q", "-h", "127.0.0.1", "-U", "root", "-d", "postgres", "-c", statement], check=True)


@contextmanager
def database():
    """An empty database, for an owner of its own with a password that the server takes."""
    name, password = f"portcullis_deployment_{os.getpid()}", secrets.token_hex(24)
    psql(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
    try:
        psql(f"CREATE DATABASE {name} OWNER {name} ENCODING 'UTF8' TEMPLATE template0")
        try:
            yield f"postgres://{name}:{password}@127.0.0.1:5432/{name}?sslmode=disable"
        finally:
            psql(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        psql(f"DROP ROLE {name}")


def run(objects, binary, from_image):
    job, deployment = (objects[kind]["spec"]["template"]["spec"] for kind in ["Job", "Deployment"])
    example = objects["Secret"]["stringData"]
    ports = {"LISTEN": free_port(), "METRICS_LISTEN": free_port()}

    def variables(pod):
        """Those of the manifests, on free ports of this machine."""
        whole = from_image | variables_of(pod["containers"][0], objects["ConfigMap"])
        return whole | {name: f"127.0.0.1:{port}" for name, port in ports.items()}

    with tempfile.TemporaryDirectory() as folder, database() as url, open(Path(folder) / "log", "w+") as log:
        def failed(message):
            log.seek(0)
            fail(f"{message}: {log.read().rstrip()}")

        # In another place, which the user without rights can enter.
        folder, program = Path(folder), Path(tempfile.mkdtemp(dir="/var/tmp")) / "portcullis"
        shutil.copy(binary, program)
        program.parent.chmod(0o755)
        try:
            values = example | {name: url for name in example if name.endswith("database-url")}
            unchanged = write_files(folder / "unchanged", values)
            if contained(job, variables(job), unchanged, program, log).wait(timeout=60) == 0:
                fail("the server takes the secret-key of secrets.example.yaml")
            files = write_files(folder / "files", values | {"secret-key": secrets.token_urlsafe(36)})
            if contained(deployment, variables(deployment), files, program, log).wait(timeout=60) == 0:
                fail("the server starts without a schema")
            if contained(job, variables(job), files, program, log).wait(timeout=120) != 0:
                failed("the Job")
            serve(contained(deployment, variables(deployment), files, program, log), deployment, ports, failed)
        finally:
            shutil.rmtree(program.parent)
    print("ok: the Job migrates, and the Deployment serves")


def serve(server, pod, ports, failed):
    try:
        ready = f"http://127.0.0.1:{ports['LISTEN']}{pod['containers'][0]['readinessProbe']['httpGet']['path']}"
        for _ in range(600):
            if status(ready) == 200 or server.poll() is not None:
                break
            time.sleep(0.1)
        for probe in probes(pod["containers"][0]):
            found = status(f"http://127.0.0.1:{ports['LISTEN']}{probe['httpGet']['path']}")
            if found != 200:
                failed(f"{probe['httpGet']['path']} answers {found}")
        if status(f"http://127.0.0.1:{ports['METRICS_LISTEN']}/metrics") != 200:
            failed("nothing can be scraped")
        server.send_signal(signal.SIGTERM)
        # The grace period, after which Kubernetes would kill it.
        if server.wait(timeout=pod["terminationGracePeriodSeconds"]) != 0:
            failed("the server did not end in order")
    finally:
        if server.poll() is None:
            server.kill()


def check_kubernetes(binary, known):
    kustomization, objects = documents()
    check_schemas([*objects.values(), *snippets()])
    from_image, user = image()
    pods = {kind: objects[kind]["spec"]["template"]["spec"] for kind in ["Deployment", "Job"]}
    for kind, pod in pods.items():
        check_pod(kind, pod, user)
        [container] = pod["containers"]
        check_settings(f"the {kind}", variables_of(container, objects["ConfigMap"]).keys(), known)
        is_equal(f"the image of the {kind}", kustomization["images"][0]["name"], container["image"])
        mounted = container["volumeMounts"][0]["mountPath"] + "/"
        for entry in container["env"]:
            if entry["value"].removeprefix(mounted) not in objects["Secret"]["stringData"]:
                fail(f"{entry['name']} names a file that the Secret does not have")
    check_references(objects)
    check_times(objects, pods["Deployment"]["containers"][0])
    version = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
    is_equal("the tag of the image", version, kustomization["images"][0]["newTag"])
    run(objects, binary, from_image)


# Compose.


def seconds(duration):
    return int(re.fullmatch(r"(\d+)s", duration)[1])


def check_compose(known):
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    # Compose makes that one, of which this reader knows nothing.
    compose["networks"]["default"] = None
    try:
        PyCompose.from_json(json.dumps(compose)).validate()
    except ValueError as error:
        fail(f"compose.yaml: {error}")
    server, migrate = compose["services"]["portcullis"], compose["services"]["migrate"]
    check_settings("compose.yaml", server["environment"].keys(), known)
    is_equal("the variables of the migrations", server["environment"], migrate["environment"])
    for name, value in server["environment"].items():
        if name.endswith("_FILE") and value.removeprefix("/run/secrets/") not in server["secrets"]:
            fail(f"{name} names a secret that the container does not get")
    is_equal("the grace period of compose.yaml", DELAY + STOPS_WITHIN, seconds(server["stop_grace_period"]))
    print("ok: compose.yaml is what Compose takes")


def check_unit(known):
    service = unit()
    check_settings("the unit", {service["Environment"].partition("=")[0]}, known)
    credential = service["LoadCredential"].partition(":")[0]
    is_equal("the credential", f"SECRET_KEY_FILE=%d/{credential}", service["Environment"])
    is_equal("the grace period of the unit", DELAY + STOPS_WITHIN, int(service["TimeoutStopSec"]))


def main(binary):
    known = known_settings(binary)
    check_settings("the image", image()[0].keys(), known)
    check_unit(known)
    check_compose(known)
    check_kubernetes(binary, known)


main(sys.argv[1])
