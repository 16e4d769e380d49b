"""Private RabbitMQ nodes: where RabbitMQ is installed, and the configuration and commands of a node.

A node shares nothing with others or with the system's: it has its own directory, cookie, epmd and ports, all on
loopback. It reads the system's configuration unless CONF_ENV_FILE, HOME and every path are given, so all of them are.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tests.brokers.certificates import Certificates
from tests.brokers.process import HOST, Command

QUEUES = tuple(f"q{number}" for number in range(1, 151))  # classic ones
QUORUM_QUEUE = "quorum"
STREAM = "stream"
CLIENT_PORTS = ("plain", "tls")
NODE_PORTS = ("distribution", "epmd")
MACHINE = Path("/")  # the root of the Debian that runs us
INSIDE = Path("/mnt")  # where a Debian tree sees the node's directory
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Distribution on loopback only, and schedulers that sleep when idle instead of spinning.
ERLANG_OPTIONS = "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none"
# The mounts are private to the node's process and vanish with it.
ENTER_TREE = """\
mount --bind "$1" "$2/mnt" && mount --rbind /proc "$2/proc" && mount --rbind /dev "$2/dev" && exec chroot "$2" "$3"
"""


@dataclass(frozen=True, kw_only=True)
class Series:
    """What differs between the series of RabbitMQ.

    Attributes:
        number: How the versions of the series begin.
        tree: The name of the Debian tree that `install` makes where this machine's own packages are of another series.
        plugins: What to enable.
        settings: Lines of rabbitmq.conf.
        declared: The address of a queue that is there, its name percent-encoded put in place of {}.
        undeclared: The same for any other queue.
    """

    number: str
    tree: str
    plugins: tuple[str, ...]
    settings: Mapping[str, str]
    declared: str
    undeclared: str

    def address(self, queue: str) -> str:
        """Return the address of a queue."""
        pattern = self.declared if queue in (*QUEUES, QUORUM_QUEUE, STREAM) else self.undeclared
        return pattern.format(quote(queue, safe=""))


SERIES = {
    "rabbitmq3": Series(
        number="3.10",
        tree="bookworm",
        plugins=("rabbitmq_amqp1_0", "rabbitmq_auth_mechanism_ssl"),
        # ANONYMOUS is offered by the plugin itself, and is no mechanism of the server.
        settings={"amqp1_0.default_user": "guest", "amqp1_0.default_vhost": "/"},
        # /queue/NAME would declare it with the terminus' durability: a clash with a durable queue ends the session.
        declared="/amq/queue/{}",
        undeclared="/queue/{}",
    ),
    "rabbitmq4": Series(
        number="4.0",
        tree="trixie",
        plugins=("rabbitmq_auth_mechanism_ssl",),
        settings={"anonymous_login_user": "guest", "anonymous_login_pass": "guest", "auth_mechanisms.4": "ANONYMOUS"},
        declared="/queues/{}",
        undeclared="/queues/{}",
    ),
}


def find_root(series: Series, cache: Path) -> Path | None:
    """Return the root of the Debian that has a RabbitMQ of the series: this machine's or a tree of its own."""
    return next((root for root in (MACHINE, cache / series.tree) if _server_script(series, root)), None)


def _server_script(series: Series, root: Path) -> Path | None:
    """Return the path, inside of the root, of the script that starts the server without changing the user."""
    found = sorted(root.glob(f"usr/lib/rabbitmq/lib/rabbitmq_server-{series.number}.*/sbin/rabbitmq-server"))
    return Path("/") / found[-1].relative_to(root) if found else None


def version(series: Series, cache: Path) -> str:
    """Return the version of the RabbitMQ that `find_root` finds."""
    root = find_root(series, cache)
    script = root and _server_script(series, root)
    return script.parents[1].name.removeprefix("rabbitmq_server-") if script else ""


def missing(series: Series, cache: Path) -> str | None:
    """Return why a node of the series cannot run here, or None."""
    root = find_root(series, cache)
    if root is None:
        return f"RabbitMQ {series.number} is not installed"
    if root != MACHINE and os.geteuid() != 0:
        return f"RabbitMQ {series.number} lies in the Debian tree {root}, and only root can run it from there"
    return None


def prepare(
    series: Series,
    cache: Path,
    directory: Path,
    ports: Mapping[str, int],
    certificates: Certificates,
    settings: Mapping[str, object],
) -> list[Command]:
    """Write a node's configuration into its directory; return the commands that run its epmd and the node."""
    root = find_root(series, cache)
    script = root and _server_script(series, root)
    if root is None or script is None:
        raise FileNotFoundError(f"RabbitMQ {series.number}")
    inside = directory if root == MACHINE else INSIDE
    for name in ("data", "log"):
        (directory / name).mkdir()
    (directory / "rabbitmq.conf").write_text(_configuration(series, ports, certificates, directory, inside, settings))
    (directory / "enabled_plugins").write_text(f"[{','.join(series.plugins)}].\n")
    (directory / "definitions.json").write_text(json.dumps(_definitions(), indent=1))
    epmd = ["epmd", "-port", str(ports["epmd"]), "-address", HOST]
    node = [str(script)]
    if root != MACHINE:
        epmd = ["chroot", str(root), *epmd]
        node = [
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            ENTER_TREE,
            "sh",
            str(directory),
            str(root),
            str(script),
        ]
    return [Command(argv=epmd, env={"PATH": PATH}), Command(argv=node, env=_environment(inside, ports))]


def _configuration(
    series: Series,
    ports: Mapping[str, int],
    certificates: Certificates,
    directory: Path,
    inside: Path,
    settings: Mapping[str, object],
) -> str:
    def seen(file: Path) -> Path:
        return inside / file.relative_to(directory)

    lines = {
        "listeners.tcp.1": f"{HOST}:{ports['plain']}",
        "listeners.ssl.1": f"{HOST}:{ports['tls']}",
        "num_acceptors.tcp": 2,
        "num_acceptors.ssl": 2,
        "ssl_options.cacertfile": seen(certificates.ca_file),
        "ssl_options.certfile": seen(certificates.server_certificate),
        "ssl_options.keyfile": seen(certificates.server_key),
        "ssl_options.verify": "verify_peer",  # a client's certificate is asked for, not demanded
        "ssl_options.fail_if_no_peer_cert": "false",
        "ssl_cert_login_from": "common_name",
        "auth_mechanisms.1": "PLAIN",
        "auth_mechanisms.2": "AMQPLAIN",
        "auth_mechanisms.3": "EXTERNAL",
        "loopback_users": "none",
        "load_definitions": inside / "definitions.json",
        "log.console.level": "warning",
        "disk_free_limit.absolute": "10MB",
        **series.settings,
        **settings,
    }
    return "".join(f"{name} = {value}\n" for name, value in lines.items())


def _definitions() -> dict[str, object]:
    # Every user needs a password: at an empty one the import breaks off, and the node starts without the rest.
    users = [("guest", "guest", "administrator"), ("user", "secret", ""), ("client", "only by certificate", "")]
    queues = [*((name, "classic") for name in QUEUES), (QUORUM_QUEUE, "quorum"), (STREAM, "stream")]
    return {
        "vhosts": [{"name": "/"}],
        "users": [{"name": name, "password": password, "tags": tags} for name, password, tags in users],
        "permissions": [
            {"user": name, "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"} for name, _, _ in users
        ],
        "queues": [
            {
                "name": name,
                "vhost": "/",
                "durable": True,
                "auto_delete": False,
                "arguments": {"x-queue-type": queue_type},
            }
            for name, queue_type in queues
        ],
    }


def _environment(inside: Path, ports: Mapping[str, int]) -> dict[str, str]:
    return {
        "PATH": PATH,
        "HOME": str(inside),
        "LANG": "C.UTF-8",
        "RUNNING_UNDER_SYSTEMD": "1",  # the start script becomes the node instead of waiting for it
        "ERL_EPMD_ADDRESS": HOST,
        "ERL_EPMD_PORT": str(ports["epmd"]),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_NODENAME": "amqp10@localhost",
        "RABBITMQ_DIST_PORT": str(ports["distribution"]),
        "RABBITMQ_MNESIA_BASE": str(inside / "data"),
        "RABBITMQ_LOG_BASE": str(inside / "log"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_CONFIG_FILE": str(inside / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(inside / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(inside / "enabled_plugins"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(inside / "data"),
        "ERL_CRASH_DUMP_SECONDS": "0",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ERLANG_OPTIONS,
    }
