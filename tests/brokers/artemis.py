"""Private instances of Apache Artemis: where it is installed, and an instance's configuration and command.

Only AMQP 1.0 is enabled; there is no console. A few files of configuration do; what the release's own `create` writes
is not needed.
"""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.brokers.certificates import Certificates
from tests.brokers.process import HOST, Command

CLIENT_PORTS = ("plain", "tls", "mtls", "small")
JAVA_NEEDED = 17
JAVA_OPTIONS = ("-Xms64m", "-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
MECHANISMS = "PLAIN,ANONYMOUS,SCRAM-SHA-256,SCRAM-SHA-512"
USERS = {"admin": "admin", "user": "secret", "guest": "guest"}
PERMISSIONS = (
    *("createNonDurableQueue", "deleteNonDurableQueue", "createDurableQueue", "deleteDurableQueue"),
    *("createAddress", "deleteAddress", "consume", "browse", "send"),
)
BOOTSTRAP = """\
<broker xmlns="http://activemq.apache.org/schema">
  <jaas-security domain="activemq"/>
  <server configuration="file:{etc}/broker.xml"/>
</broker>
"""
MANAGEMENT = '<management-context xmlns="http://activemq.apache.org/schema"/>\n'
# The module for certificates stands before the one for SCRAM, which would take the certificate's principal and give it
# no roles. The module for guests would let wrong passwords in without credentialsInvalidate.
LOGIN = """\
amqp-sasl-scram {
  MODULES.SCRAMPropertiesLoginModule required
    org.apache.activemq.jaas.properties.user="users.properties"
    org.apache.activemq.jaas.properties.role="roles.properties";
};
activemq {
  MODULES.TextFileCertificateLoginModule sufficient
    org.apache.activemq.jaas.textfiledn.user="certificate-users.properties"
    org.apache.activemq.jaas.textfiledn.role="certificate-roles.properties";
  MODULES.SCRAMLoginModule sufficient;
  MODULES.PropertiesLoginModule sufficient
    org.apache.activemq.jaas.properties.user="users.properties"
    org.apache.activemq.jaas.properties.role="roles.properties";
  MODULES.GuestLoginModule sufficient
    credentialsInvalidate=true
    org.apache.activemq.jaas.guest.user="guest"
    org.apache.activemq.jaas.guest.role="users";
};
""".replace("MODULES", "org.apache.activemq.artemis.spi.core.security.jaas")
LOGGING = """\
rootLogger.level = WARN
rootLogger.appenderRef.console.ref = console
logger.server.name = org.apache.activemq.artemis.core.server
logger.server.level = INFO
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %-5level [%logger{1}] %msg%n
"""
# Without ANYCAST as the default, messages sent to an address that nobody receives from would vanish. A disk that is
# nearly full would block every sender below max-disk-usage 100.
BROKER = """\
<configuration xmlns="urn:activemq"><core xmlns="urn:activemq:core">
  <name>amqp10</name>
  <persistence-enabled>{persistent}</persistence-enabled>
  <journal-type>NIO</journal-type>
  <journal-min-files>2</journal-min-files>
  <paging-directory>{data}/paging</paging-directory>
  <bindings-directory>{data}/bindings</bindings-directory>
  <journal-directory>{data}/journal</journal-directory>
  <large-messages-directory>{data}/large</large-messages-directory>
  <max-disk-usage>100</max-disk-usage>
  <critical-analyzer>false</critical-analyzer>
  <message-expiry-scan-period>500</message-expiry-scan-period>
  <acceptors>{acceptors}</acceptors>
  <security-settings>
    <security-setting match="#">{permissions}</security-setting>
    <security-setting match="locked.#">{permissions_locked}</security-setting>
  </security-settings>
  <address-settings>
    <address-setting match="#">
      <auto-create-queues>true</auto-create-queues><auto-create-addresses>true</auto-create-addresses>
      <auto-delete-queues>false</auto-delete-queues><auto-delete-addresses>false</auto-delete-addresses>
      <dead-letter-address>DLQ</dead-letter-address><expiry-address>ExpiryQueue</expiry-address>
      <default-address-routing-type>ANYCAST</default-address-routing-type>
      <default-queue-routing-type>ANYCAST</default-queue-routing-type>
    </address-setting>
    <address-setting match="topic.#">
      <default-address-routing-type>MULTICAST</default-address-routing-type>
      <default-queue-routing-type>MULTICAST</default-queue-routing-type>
    </address-setting>
    <address-setting match="limited.#">
      <max-size-bytes>100000</max-size-bytes><address-full-policy>FAIL</address-full-policy>
    </address-setting>
    <address-setting match="ttl.#"><expiry-delay>1</expiry-delay></address-setting>
  </address-settings>
  <addresses>
    <address name="DLQ"><anycast><queue name="DLQ"/></anycast></address>
    <address name="ExpiryQueue"><anycast><queue name="ExpiryQueue"/></anycast></address>
  </addresses>
</core></configuration>
"""


def find_home(cache: Path) -> Path | None:
    """Return the directory of the newest release that is installed."""
    found = [boot.parents[1] for boot in cache.glob("artemis-*/lib/artemis-boot.jar")]
    return max(found, key=lambda home: [int(part) for part in re.findall(r"\d+", home.name)], default=None)


def version(cache: Path) -> str:
    """Return the version of the release that `find_home` finds."""
    home = find_home(cache)
    return home.name.removeprefix("artemis-") if home else ""


def find_java() -> str | None:
    """Return the java command: of JAVA_HOME, else of PATH."""
    home = os.environ.get("JAVA_HOME")
    return shutil.which("java", path=f"{home}/bin" if home else None)


def missing(cache: Path) -> str | None:
    """Return why Artemis cannot run here, or None."""
    if find_home(cache) is None:
        return "Artemis is not installed"
    java = find_java()
    if java is None:
        return f"Artemis needs Java {JAVA_NEEDED} or later, and there is no java command"
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', told)
    if version is None or int(version[1]) < JAVA_NEEDED:
        return f"Artemis needs Java {JAVA_NEEDED} or later, and {java} is {version[1] if version else 'unknown'}"
    return None


def prepare(
    cache: Path,
    directory: Path,
    ports: Mapping[str, int],
    certificates: Certificates,
    settings: Mapping[str, object],
    *,
    persistent: bool,
) -> list[Command]:
    """Write an instance's configuration into its directory; return the command that runs it."""
    home, java = find_home(cache), find_java()
    if home is None or java is None:
        raise FileNotFoundError("Artemis or Java")
    etc = directory / "etc"
    for name in ("etc", "data", "tmp"):
        (directory / name).mkdir()
    for name, text in _files(directory, ports, certificates, settings, persistent=persistent).items():
        (etc / name).write_text(text)
    options = [
        "--add-opens=java.base/jdk.internal.misc=ALL-UNNAMED",
        "-Dlog4j2.disableJmx=true",
        f"-Dlog4j2.configurationFile=file:{etc}/log4j2.properties",
        f"-Djava.security.auth.login.config={etc}/login.config",
        f"-Djava.io.tmpdir={directory}/tmp",
        f"-Djava.library.path={home}/bin/lib/linux-{platform.machine()}",
        f"-Dartemis.home={home}",
        f"-Dartemis.instance={directory}",
        f"-Dartemis.instance.etc={etc}",
        "-Dartemis.default.sensitive.string.codec.key=unused",
    ]
    main = ["-classpath", str(home / "lib" / "artemis-boot.jar"), "org.apache.activemq.artemis.boot.Artemis", "run"]
    return [
        Command(
            argv=[java, *JAVA_OPTIONS, *options, *main],
            env={"PATH": os.defpath, "HOME": str(directory), "LANG": "C.UTF-8"},
        )
    ]


def _files(
    directory: Path,
    ports: Mapping[str, int],
    certificates: Certificates,
    settings: Mapping[str, object],
    *,
    persistent: bool,
) -> dict[str, str]:
    """Return the text of every file of configuration."""
    key_store = directory / "etc" / "server.pem"
    return {
        "bootstrap.xml": BOOTSTRAP.format(etc=directory / "etc"),
        "management.xml": MANAGEMENT,
        "login.config": LOGIN,
        "log4j2.properties": LOGGING,
        "users.properties": "".join(f"{user} = {password}\n" for user, password in USERS.items()),
        "roles.properties": f"users = {','.join(USERS)}\nadministrators = admin\n",
        "certificate-users.properties": "client=CN=client, O=amqp10 test\n",
        "certificate-roles.properties": "users=client\n",
        key_store.name: certificates.server_key.read_text() + certificates.server_certificate.read_text(),
        "broker.xml": BROKER.format(
            persistent=str(persistent).lower(),
            data=directory / "data",
            acceptors=_acceptors(ports, certificates, key_store, settings),
            permissions=_permissions("users"),
            permissions_locked=_permissions("administrators"),
        ),
    }


def _acceptors(
    ports: Mapping[str, int], certificates: Certificates, key_store: Path, settings: Mapping[str, object]
) -> str:
    plain = {
        "protocols": "AMQP",
        "amqpCredits": 1000,
        "amqpLowCredits": 300,
        "saslLoginConfigScope": "amqp-sasl-scram",
        "saslMechanisms": MECHANISMS,
        **settings,
    }
    tls = {**plain, "sslEnabled": "true", "keyStoreType": "PEM", "keyStorePath": key_store}
    client = {"needClientAuth": "true", "trustStoreType": "PEMCA", "trustStorePath": certificates.ca_file}
    parameters = {
        "plain": plain,
        "tls": tls,
        "mtls": {**tls, **client, "saslMechanisms": f"EXTERNAL,{MECHANISMS}"},
        "small": {**plain, "maxFrameSize": 512, "amqpIdleTimeout": 2000},
    }
    return "".join(_acceptor(name, ports[name], parameters[name]) for name in CLIENT_PORTS)


def _acceptor(name: str, port: int, parameters: Mapping[str, object]) -> str:
    query = ";".join(f"{key}={value}" for key, value in parameters.items())
    return f'<acceptor name="{name}">tcp://{HOST}:{port}?{query}</acceptor>'


def _permissions(role: str) -> str:
    return "".join(f'<permission type="{permission}" roles="{role}"/>' for permission in PERMISSIONS)
