"""What happens when: for any plan each fault comes and goes once, and nothing is out of order."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from socketlab.faults.plans.model import ExpectStep, FaultStep, Plan, Ramp, Repeat, Step
from socketlab.faults.plans.schedule import Agenda, Begin, Check, End, Event, Key, events, length, open_at_end
from socketlab.faults.plans.sentences import expectation
from socketlab.wire.fault import Delay, Match

FAULT = Delay(0.1, Match(port=7000))
SENTENCE = expectation("client tcp server:7000 -> echo")
times = st.integers(0, 20_000).map(lambda ms: ms / 1000)
lasting = st.integers(1, 5_000).map(lambda ms: ms / 1000)


@st.composite
def fault_steps(draw: st.DrawFn) -> FaultStep:
    seconds = draw(st.none() | lasting)
    repeat = ramp = None
    if seconds is not None:
        longer = draw(st.integers(0, 3_000)) / 1000
        repeat = draw(st.none() | st.builds(Repeat, st.integers(1, 5), st.just(seconds + longer)))
        ramp = draw(st.none() | st.builds(Ramp, st.just("seconds"), lasting, lasting, st.integers(2, 6)))
    return FaultStep(at=draw(times), fault=FAULT, on="server", seconds=seconds, repeat=repeat, ramp=ramp)


@st.composite
def expect_steps(draw: st.DrawFn) -> ExpectStep:
    repeat = draw(st.none() | st.builds(Repeat, st.integers(1, 5), lasting))
    return ExpectStep(at=draw(times), expectations=(SENTENCE,) * draw(st.integers(1, 3)), repeat=repeat)


plans = st.lists(fault_steps() | expect_steps(), min_size=1, max_size=5).map(
    lambda steps: Plan(name="any", steps=tuple(steps))
)


def in_force(happened: Sequence[Event]) -> dict[Key, None]:
    """What is in force after these events; one that comes twice, or goes without having come, is an error."""
    found: dict[Key, None] = {}
    for event in happened:
        if isinstance(event, Begin):
            assert event.key not in found
            found[event.key] = None
            if event.replaces is not None:
                del found[event.replaces]
        elif isinstance(event, End):
            del found[event.key]
    return found


@settings(max_examples=40, deadline=None)
@given(plans)
def test_time_only_goes_forward(plan: Plan) -> None:
    at = [event.at for event in events(plan)]
    assert at == sorted(at)
    assert length(plan) == at[-1]


@settings(max_examples=40, deadline=None)
@given(plans)
def test_each_fault_comes_once_and_goes_once(plan: Plan) -> None:
    assert set(in_force(events(plan))) == set(open_at_end(plan))
    lasting_steps = {n for n, step in enumerate(plan.steps) if getattr(step, "seconds", 1) is None}
    assert {key.step for key in open_at_end(plan)} == lasting_steps


@settings(max_examples=40, deadline=None)
@given(plans)
def test_a_step_is_never_in_force_twice(plan: Plan) -> None:
    happened = events(plan)
    for end in range(len(happened)):
        steps = [key.step for key in in_force(happened[: end + 1])]
        assert len(steps) == len(set(steps))


@settings(max_examples=40, deadline=None)
@given(plans)
def test_at_one_moment_ends_come_before_begins_and_these_before_what_is_expected(plan: Plan) -> None:
    rank = {End: 0, Begin: 1, Check: 2}
    order = [(event.at, rank[type(event)]) for event in events(plan)]
    assert order == sorted(order)


@settings(max_examples=40, deadline=None)
@given(plans)
def test_every_occurrence_of_an_expectation_is_due_at_its_time(plan: Plan) -> None:
    wanted = sum(
        len(step.expectations) * (step.repeat.count if step.repeat else 1)
        for step in plan.steps
        if isinstance(step, ExpectStep)
    )
    assert sum(isinstance(event, Check) for event in events(plan)) == wanted


@settings(max_examples=40, deadline=None)
@given(plans, st.lists(st.integers(0, 60_000), max_size=20))
def test_an_agenda_gives_each_event_once_however_time_is_cut(plan: Plan, cuts: list[int]) -> None:
    agenda = Agenda(plan)
    given_out: list[Event] = []
    for now in sorted(cut / 1000 for cut in cuts):
        due = agenda.due(now)
        assert all(event.at <= now for event in due)
        given_out += due
        left = agenda.next(now)
        assert left is None or left > 0
    assert given_out + agenda.due(length(plan)) == events(plan)
    assert agenda.next(length(plan)) is None


def test_a_ramp_goes_from_one_end_to_the_other_and_leaves_no_gap() -> None:
    steps: tuple[Step, ...] = (
        FaultStep(at=1, fault=FAULT, on="server", seconds=3, ramp=Ramp("seconds", 0.1, 0.5, steps=3)),
    )
    happened = events(Plan(name="ramp", steps=steps))
    begins = [event for event in happened if isinstance(event, Begin)]
    assert [event.at for event in begins] == [1, 2, 3]
    assert [getattr(event.fault, "seconds", None) for event in begins] == [0.1, 0.3, 0.5]
    assert [event.replaces for event in begins] == [None, begins[0].key, begins[1].key]
    assert happened[-1] == End(4, begins[2].key)


def test_a_plan_lasts_as_long_as_it_says_at_least() -> None:
    plan = Plan(name="long", steps=(FaultStep(at=0, fault=FAULT, on="server", seconds=1),), seconds=5)
    agenda = Agenda(plan)
    agenda.due(1)
    assert (agenda.next(1), agenda.next(5)) == (4, None)
