"""What the lab's name server answers: bytes in, bytes out."""

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdataclass
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.names.answers import TCP_MOST, UDP_LEAST, UDP_MOST, Answers

RECORDS = [
    ("www.lab.test", "A", "10.0.0.2"),
    ("www.lab.test", "A", "10.0.0.1"),
    ("www.lab.test", "AAAA", "fd00::2"),
    ("alias.lab.test", "CNAME", "other.lab.test"),
    ("other.lab.test", "CNAME", "www.lab.test"),
    ("out.lab.test", "CNAME", "www.elsewhere.org"),
    ("dangling.lab.test", "CNAME", "nobody.lab.test"),
    ("to-broken.lab.test", "CNAME", "broken.lab.test"),
    ("ring.lab.test", "CNAME", "gnir.lab.test"),
    ("gnir.lab.test", "CNAME", "ring.lab.test"),
    ("2.0.0.10.in-addr.arpa", "PTR", "www.lab.test"),
    ("deep.er.example.com", "A", "10.0.0.9"),
    ("empty.lab.test", "NODATA", ""),
    ("gone.lab.test", "NXDOMAIN", ""),
    ("broken.lab.test", "SERVFAIL", ""),
    ("closed.lab.test", "REFUSED", ""),
    ("silent.lab.test", "SILENCE", ""),
    *(("many.lab.test", "A", f"10.1.0.{number}") for number in range(60)),
    *(("lots.lab.test", "A", f"10.2.{number >> 8}.{number & 255}") for number in range(3000)),
]
ANSWERS = Answers(RECORDS)


def ask(name: str, kind: str = "A", *, tcp: bool = False, payload: int = -1) -> dns.message.Message:
    query = dns.message.make_query(name, kind, use_edns=0 if payload >= 0 else -1, payload=max(payload, 0))
    wire = ANSWERS.answer(query.to_wire(), tcp=tcp)
    assert wire is not None
    answer = dns.message.from_wire(wire)
    assert query.is_response(answer)
    return answer


def told(answer: dns.message.Message) -> list[str]:
    return [str(each) for rrset in answer.answer for each in rrset]


@pytest.mark.parametrize(
    ("name", "kind", "code", "expected"),
    [
        ("www.lab.test", "A", "NOERROR", ["10.0.0.2", "10.0.0.1"]),
        ("WwW.Lab.TEST", "A", "NOERROR", ["10.0.0.2", "10.0.0.1"]),
        ("www.lab.test", "AAAA", "NOERROR", ["fd00::2"]),
        ("www.lab.test", "MX", "NOERROR", []),
        ("www.lab.test", "ANY", "NOERROR", ["10.0.0.2", "10.0.0.1", "fd00::2"]),
        ("alias.lab.test", "A", "NOERROR", ["other.lab.test.", "www.lab.test.", "10.0.0.2", "10.0.0.1"]),
        ("alias.lab.test", "CNAME", "NOERROR", ["other.lab.test."]),
        ("out.lab.test", "A", "NOERROR", ["www.elsewhere.org."]),
        ("dangling.lab.test", "A", "NXDOMAIN", ["nobody.lab.test."]),
        ("to-broken.lab.test", "A", "SERVFAIL", ["broken.lab.test."]),
        ("2.0.0.10.in-addr.arpa", "PTR", "NOERROR", ["www.lab.test."]),
        ("9.9.9.9.in-addr.arpa", "PTR", "NXDOMAIN", []),
        ("deep.er.example.com", "A", "NOERROR", ["10.0.0.9"]),
        ("er.example.com", "A", "NOERROR", []),  # something is below it, so it exists
        ("other.example.com", "A", "NXDOMAIN", []),
        ("www.example.org", "A", "REFUSED", []),
        ("nobody", "A", "NXDOMAIN", []),
        ("empty.lab.test", "A", "NOERROR", []),
        ("gone.lab.test", "A", "NXDOMAIN", []),
        ("broken.lab.test", "AAAA", "SERVFAIL", []),
        ("closed.lab.test", "A", "REFUSED", []),
    ],
)
def test_an_answer(name: str, kind: str, code: str, expected: list[str]) -> None:
    answer = ask(name, kind)
    assert (dns.rcode.to_text(answer.rcode()), told(answer)) == (code, expected)


def test_a_ring_of_aliases_ends() -> None:
    assert ask("ring.lab.test").rcode() == dns.rcode.SERVFAIL


def test_silence() -> None:
    assert ANSWERS.answer(dns.message.make_query("silent.lab.test", "A").to_wire(), tcp=False) is None


def test_no_is_told_with_how_long_it_may_be_believed() -> None:
    for name in ("nobody.lab.test", "empty.lab.test"):
        (soa,) = ask(name).authority
        assert soa.name.to_text() == "lab.test."


def test_the_same_question_has_the_same_answer() -> None:
    assert len({tuple(told(ask("many.lab.test", tcp=True))) for _ in range(10)}) == 1


def test_authority() -> None:
    assert ask("www.lab.test").flags & dns.flags.AA
    assert not ask("www.example.org").flags & dns.flags.AA


@pytest.mark.parametrize(
    ("payload", "most"), [(-1, UDP_LEAST), (0, UDP_LEAST), (600, 600), (65_000, UDP_MOST)]
)
def test_what_is_too_long_for_a_datagram_is_cut_and_said_so(payload: int, most: int) -> None:
    answer = ask("lots.lab.test", payload=payload)
    assert answer.flags & dns.flags.TC
    assert told(answer) == []
    assert len(answer.to_wire()) <= most


def test_a_datagram_that_is_large_enough_holds_it() -> None:
    assert ask("many.lab.test").flags & dns.flags.TC
    assert len(told(ask("many.lab.test", payload=1232))) == 60


def test_tcp_holds_more() -> None:
    answer = ask("lots.lab.test", tcp=True)
    assert len(told(answer)) == 3000
    assert not answer.flags & dns.flags.TC
    assert len(answer.to_wire()) <= TCP_MOST


def test_questions_that_are_none_of_ours() -> None:
    update = dns.message.make_query("www.lab.test", "A")
    update.set_opcode(dns.opcode.UPDATE)
    query = dns.message.make_query("www.lab.test", "A", use_edns=1)
    chaos = dns.message.make_query("version.bind", "TXT", rdclass=dns.rdataclass.CH)
    none = dns.message.Message(id=7)
    codes = []
    for each in (query, chaos, none):
        wire = ANSWERS.answer(each.to_wire(), tcp=False)
        assert wire is not None
        codes.append(dns.message.from_wire(wire).rcode())
    assert codes == [dns.rcode.BADVERS, dns.rcode.REFUSED, dns.rcode.FORMERR]


def test_an_answer_is_not_answered() -> None:
    response = dns.message.make_response(dns.message.make_query("www.lab.test", "A"))
    assert ANSWERS.answer(response.to_wire(), tcp=False) is None


@settings(max_examples=150)
@given(st.binary(max_size=80), st.booleans())
def test_whatever_arrives_is_answered_or_left_alone(wire: bytes, tcp: bool) -> None:  # noqa: FBT001 - hypothesis gives it
    answer = ANSWERS.answer(wire, tcp=tcp)
    assert answer is None or answer[:2] == wire[:2]


@settings(max_examples=150)
@given(st.data())
def test_a_question_with_some_bytes_changed_too(data: st.DataObject) -> None:
    wire = bytearray(dns.message.make_query("alias.lab.test", "A", use_edns=0).to_wire())
    for _ in range(data.draw(st.integers(1, 4))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    answer = ANSWERS.answer(bytes(wire[: data.draw(st.integers(0, len(wire)))]), tcp=False)
    assert answer is None or len(answer) <= UDP_MOST


@pytest.mark.parametrize(
    "record",
    [("www.lab.test", "A", "10.0.0.300"), ("www.lab.test", "NONSENSE", "1"), ("a..b", "A", "10.0.0.1")],
)
def test_records_that_are_none(record: tuple[str, str, str]) -> None:
    with pytest.raises(ValueError, match=record[1]):
        Answers([record])
