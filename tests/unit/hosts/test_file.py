"""Labs as YAML: what a file means, and what is said of one that makes no sense."""

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.server.cells import CELLS, PROTOCOLS, TRANSPORTS
from socketlab.errors import SpecError
from socketlab.hosts import auto, file, located
from socketlab.hosts.plan import Record, Role
from socketlab.hosts.records import BEHAVIOURS
from socketlab.hosts.spec import HostSpec, NetworkSpec, Plug

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "examples" / "labs").glob("*.yaml"))

FULL = b"""\
name: demo
backend: namespace
ipv6: false
offload: true
networks:
  left: {subnet: 10.1.0.0/24}
  right:
hosts:
  client: {networks: [left]}
  server:
    networks:
      right: {address: 10.0.0.44}
    sysctls:
      net.ipv4.tcp_syn_retries: 2
      net.ipv4.tcp_congestion_control: reno
    serve:
      - {style: epoll, protocol: echo, port: 7000}
      - {program: mine.py, arguments: [-v]}
  gate: {role: router}
  dns:
    role: names
    networks: {left: }
    records:
      www.lab.test: {A: [server, 10.0.0.1], CNAME: x.lab.test}
      gone.lab.test: NXDOMAIN
"""


def test_everything_that_a_file_can_say() -> None:
    text = FULL.replace(b", CNAME: x.lab.test", b"")
    found = file.parse("labs/x.yaml", text)
    assert (found.backend, found.spec.name, found.spec.ipv6, found.spec.offload) == (
        "namespace",
        "demo",
        False,
        True,
    )
    assert found.spec.networks == (NetworkSpec(name="left", subnet="10.1.0.0/24"), NetworkSpec(name="right"))
    client, server, gate, dns = found.spec.hosts
    assert client == HostSpec(name="client", plugs=(Plug(network="left"),))
    assert server.plugs == (Plug(network="right", address="10.0.0.44"),)
    assert server.sysctls == {"net.ipv4.tcp_syn_retries": 2, "net.ipv4.tcp_congestion_control": "reno"}
    assert gate == HostSpec(name="gate", role="router")
    assert dns.records == (
        Record(name="www.lab.test", kind="A", value="server"),
        Record(name="www.lab.test", kind="A", value="10.0.0.1"),
        Record(name="gone.lab.test", kind="NXDOMAIN"),
    )
    assert found.services == {
        "server": [
            {"style": "epoll", "protocol": "echo", "port": 7000},
            {"program": Path("labs/mine.py"), "arguments": ["-v"]},
        ]
    }


def test_an_address_at_the_host_itself_is_on_its_first_network() -> None:
    text = b"""\
networks: [left, right]
hosts:
  a: {address: 10.0.0.20}
  b: {networks: [right], address6: 'fd00:5ab:0:1::9'}
"""
    one, other = file.parse("x.yaml", text).spec.hosts
    assert one.plugs == (Plug(network="left", address="10.0.0.20"),)
    assert other.plugs == (Plug(network="right", address6="fd00:5ab:0:1::9"),)


def test_the_least_file() -> None:
    found = file.parse("my lab.yaml", b"hosts: [client, server]")
    assert [host.name for host in found.spec.hosts] == ["client", "server"]
    assert (found.spec.name, found.backend, found.services) == ("my-lab", "auto", {})


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_are_labs(path: Path) -> None:
    assert file.read(path).spec.hosts


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 3


MISTAKES: list[tuple[str, bytes, str]] = [
    ("file.empty", b"# nothing\n", "x.yaml"),
    ("file.type", b"- hosts\n", "x.yaml:1:1"),
    ("file.missing", b"name: a\n", "x.yaml:1:1"),
    ("file.unknown-alike", b"hosts:\n  server:\n    adress: 10.0.0.1\n    sysctl: {}\n", "x.yaml:3:5"),
    ("file.unknown", b"hosts: [a]\nzebra: 1\n", "x.yaml:2:1"),
    ("file.unknown-alike", b"hosts:\n  a: {networks: {lab: {adress: 10.0.0.1}}}\n", "x.yaml:2:24"),
    ("file.twice", b"hosts: [a]\nname: a\nname: b\n", "x.yaml:3:1"),
    ("file.type", b"hosts: 7\n", "x.yaml:1:8"),
    ("file.type", b"hosts:\n  a: [b]\n", "x.yaml:2:6"),
    ("file.quotes", b"hosts: [a]\nname: 12\n", "x.yaml:2:7"),
    ("file.quotes", b"hosts: [yes]\n", "x.yaml:1:9"),
    ("file.key", b"hosts:\n  no:\n", "x.yaml:2:3"),
    ("file.key", b"hosts:\n  [a]: 1\n", "x.yaml:2:3"),
    ("file.nothing", b"hosts: []\n", "x.yaml:1:8"),
    ("file.nothing", b"hosts: {}\n", "x.yaml:1:8"),
    ("file.choice", b"hosts: [a]\nbackend: podman\n", "x.yaml:2:10"),
    ("file.range", b"hosts: {a: {serve: {port: 70000}}}\n", "x.yaml:1:27"),
    ("file.type", b"hosts: {a: {serve: {port: x}}}\n", "x.yaml:1:27"),
    ("file.tab", b"hosts:\n\ta: {}\n", "x.yaml:2:1"),
    ("file.yaml", b"hosts: [a\n", "x.yaml:2:1"),
    ("file.yaml", b"hosts: [a]\nname: '\x01'\n", "x.yaml:1"),
    ("file.tag", b"hosts: !!python/object:os.system [a]\n", "x.yaml:1:8"),
    ("file.number", b"hosts: {a: {serve: {port: !!int x}}}\n", "x.yaml:1:27"),
    ("file.alias", b"a: &a [1]\nhosts: *a\n", "x.yaml:1:4"),
    ("file.documents", b"hosts: [a]\n---\nhosts: [b]\n", "x.yaml:2:1"),
    ("file.deep", b"hosts: " + b"[" * 100_000, "x.yaml:1:23"),
    ("file.not-utf8", b"hosts: [a]\nname: caf\xe9\n", "x.yaml:2"),
    ("file.large", b"#" * (located.LARGEST + 1), "x.yaml"),
    ("file.meaning", b"hosts:\n  a:\n    networks:\n      lab: {address: 8.8.8.8}\n", "x.yaml:4:13"),
    ("file.meaning", b"name: x\nhosts: [a, b, a]\n", "x.yaml:2:1"),
    (
        "file.meaning",
        b"hosts: [a]\nnetworks:\n  x: {subnet: 10.1.0.0/16}\n  y: {subnet: 10.1.1.0/24}\n",
        "x.yaml:4:7",
    ),
    ("file.meaning", b"hosts: {a: {sysctls: {kernel.panic: 1}}}\n", "x.yaml:1:23"),
    ("file.meaning", b"hosts:\n  a:\n    address: 8.8.8.8\n", "x.yaml:3:5"),
    ("file.meaning", FULL, "x.yaml:24:7"),
]


@pytest.mark.parametrize(
    ("code", "text", "at"), MISTAKES, ids=[f"{n}-{each[0]}" for n, each in enumerate(MISTAKES)]
)
def test_a_mistake_is_told_with_its_place(code: str, text: bytes, at: str) -> None:
    with pytest.raises(SpecError) as raised:
        file.parse("x.yaml", text)
    assert (raised.value.code, raised.value.details["at"]) == (code, at)
    assert str(raised.value).startswith(f"{at}: ")


def test_what_it_says_names_the_key() -> None:
    with pytest.raises(SpecError, match=r"^x\.yaml:3:5: hosts\.server\.netwroks: .*networks"):
        file.parse("x.yaml", b"hosts:\n  server:\n    netwroks: 10.0.0.1\n")


def test_a_bomb_of_aliases_is_refused_at_its_first_anchor() -> None:
    lines = [b"a0: &a0 [x, x]"] + [b"a%d: &a%d [*a%d, *a%d]" % (n, n, n - 1, n - 1) for n in range(1, 60)]
    with pytest.raises(SpecError) as raised:
        file.parse("x.yaml", b"\n".join(lines))
    assert raised.value.code == "file.alias"


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.yaml"):
        with pytest.raises(SpecError) as raised:
            file.read(path)
        assert raised.value.code == "file.open"


@settings(max_examples=60)
@given(
    st.binary(max_size=200)
    | st.text(alphabet="hosts: a\n-{}[]&*!|>'\"%@`#,?\t0", max_size=80).map(str.encode)
)
def test_any_bytes_are_a_lab_or_a_mistake(data: bytes) -> None:
    said = "a lab"
    try:
        file.parse("x.yaml", data)
    except SpecError as error:
        said = str(error)
    assert said


def schemas(schema: Any) -> list[dict[str, Any]]:
    """A schema and all within it."""
    if isinstance(schema, list):
        return [each for part in schema for each in schemas(part)]
    if not isinstance(schema, dict):
        return []
    return [schema, *(each for part in schema.values() for each in schemas(part))]


def test_the_schema_says_what_the_code_knows() -> None:
    schema = json.loads(file.SCHEMA.read_text(encoding="utf-8"))
    definitions = schema["$defs"]
    assert schema["properties"]["backend"]["enum"] == ["auto", *auto.BACKENDS]
    assert definitions["host"]["properties"]["role"]["enum"] == list(get_args(Role))
    behaviours, kinds = definitions["records"]["oneOf"]
    assert set(behaviours["enum"]) == BEHAVIOURS
    assert set(kinds["properties"]) | BEHAVIOURS == set(get_args(Record.__annotations__["kind"]))
    serve = definitions["serve"]["properties"]
    assert set(serve["style"]["enum"]) == set(CELLS)
    assert set(serve["protocol"]["enum"]) == set(PROTOCOLS)  # a relay's upstream stands in its arguments
    assert set(serve["transport"]["enum"]) == {each for each in TRANSPORTS if not each.startswith("unix")}
    assert set(definitions["plug"]["properties"]) | {"network"} == set(Plug.__dataclass_fields__)
    assert set(definitions["network"]["properties"]) | {"name"} == set(NetworkSpec.__dataclass_fields__)


def test_every_alternative_of_the_schema_is_of_another_type() -> None:
    schema = json.loads(file.SCHEMA.read_text(encoding="utf-8"))
    for each in schemas(schema):
        options = [option for option in each.get("oneOf", []) if "$ref" not in option]
        types = [option["type"] for option in options]
        assert len(set(types)) == len(types)


def test_a_rule_that_is_not_understood_is_not_passed_over() -> None:
    with pytest.raises(NotImplementedError, match="pattern"):
        located.read("x.yaml", b"a", {"type": "string", "pattern": "b"})
