"""Turns by cost: the bound of start-time fair queueing, and that nobody waits in vain."""

import random
from itertools import pairwise

import pytest

from dashboard.worker.snapshots import Snapshot
from dashboard.worker.task import Priority, Task
from dashboard.worker.turns import AHEAD_SECONDS, REMEMBERED, SHORT_SECONDS, Shares, Turns

LONGEST = {"big": 60.0, "middle": 4.0, "small": 0.05, "other": 1.0}


def served(turns, pieces, rounds, idle):
    """Who was served in each round, what it cost, and who waited; nothing here reads a clock."""
    for _ in range(rounds):
        waiting = [who for who in pieces if not idle(who)]
        if not waiting:
            continue
        who = turns.first(waiting, str)
        cost = pieces[who]()
        turns.spend(who, cost)
        yield who, cost, waiting


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("ahead", [0.0, 5.0])
def test_who_always_waits_gets_as_much_as_others_who_do(seed, ahead):
    """In every stretch of time, not only in all: the theorem, with the head start."""
    chance = random.Random(seed)
    pieces = {who: lambda most=most: chance.uniform(0, most) for who, most in LONGEST.items()}
    got, gaps = {"big": 0.0, "small": 0.0}, []
    for who, cost, _ in served(
        Turns(ahead), pieces, 4000, lambda who: who in ("middle", "other") and chance.random() < 0.7
    ):
        if who in got:
            got[who] += cost
        gaps.append(got["big"] - got["small"])
    bound = ahead + LONGEST["big"] + LONGEST["small"]
    assert max(gaps) - min(gaps) <= bound
    assert got["small"] > 0.4 * got["big"] > 0


def test_a_run_that_comes_waits_for_one_piece_only():
    turns = Turns(ahead=5.0)
    for _ in range(100):
        turns.spend("big", 3.0)
    pieces = {"big": lambda: 3.0, "small": lambda: 0.1}
    order = [who for who, *_ in served(turns, pieces, 60, lambda who: False)]
    assert order[:50] == ["small"] * 50  # five seconds of work: a short run is through


def test_many_runs_of_one_person_weigh_as_one():
    turns, got = Turns(ahead=0.0), {"many": 0, "one": 0}
    queue = [("many", number) for number in range(200)] + [("one", 0)]
    for _ in range(400):
        who, _ = turns.first(queue, lambda item: item[0])
        turns.spend(who, 1.0)
        got[who] += 1
    assert got == {"many": 200, "one": 200}


def test_nobody_starves_of_people_who_come_and_go():
    turns, chance = Turns(), random.Random(1)
    people = [f"person {number}" for number in range(20)]
    pieces = {who: lambda: chance.uniform(0.05, 0.3) for who in people} | {"big": lambda: 30.0}
    turns.spend("big", 30.0)
    found = [
        number
        for number, (who, *_) in enumerate(
            served(turns, pieces, 20_000, lambda who: who != "big" and chance.random() < 0.5)
        )
        if who == "big"
    ]
    longest = max(b - a for a, b in pairwise([0, *found, 20_000]))
    # while it waits each of the others may use its head start and as much as one piece of the big
    assert longest <= len(people) * (turns.ahead + 30.0) / 0.05
    assert len(found) >= 3


def test_who_has_long_gone_is_forgotten():
    turns = Turns()
    for number in range(10 * REMEMBERED):
        turns.spend(number, 1.0)
        turns.spend("stays", 1.0)
    assert len(turns._ends) <= REMEMBERED + 1


class Machine:
    """People at one machine in pieces of 0.1 s: some think after each run, others do not.

    Args:
        people: By name the pieces of a run, and the mean seconds of thought after it.
    """

    PIECE = 0.1

    def __init__(self, people):
        self.people, self.at = people, 0.0
        self.shares = Shares(lambda: self.at)
        self.left = {who: pieces for who, (pieces, _) in people.items()}
        self.begins = dict.fromkeys(people, 0.0)
        self.took = {who: [] for who in people}
        self.chance = random.Random(3)
        self.got = dict.fromkeys(people, 0.0)

    def run(self, seconds):
        while self.at < seconds:
            waiting = [who for who in self.people if self.begins[who] <= self.at]
            self.shares.note_busy(waiting)
            self.at += self.PIECE
            if waiting:
                self.serve(min(map(self.task, waiting), key=self.shares.place))

    @staticmethod
    def task(who):
        return Task(Snapshot(who), Priority.RUN, owner=who)

    def serve(self, task):
        who, (pieces, thought) = task.owner, self.people[task.owner]
        self.shares.spend(task, self.PIECE)
        self.got[who] += self.PIECE
        self.left[who] -= 1
        if not self.left[who]:
            self.took[who].append(self.at - self.begins[who])
            self.left[who] = pieces
            self.begins[who] = self.at + self.chance.uniform(0.5, 1.5) * thought


def test_short_runs_come_soon_among_seven_who_fill_the_machine(monkeypatch):
    """By even shares alone they take nearly four times as long as without the others."""

    def among_seven():
        short = {f"short {number}": (6, 2.0) for number in range(4)}
        machine = Machine(short | {f"long {number}": (10**6, 0.0) for number in range(3)})
        machine.run(1000.0)
        took = sorted(seconds for who in short for seconds in machine.took[who])
        return took[len(took) // 2], machine

    middle, machine = among_seven()
    got = [machine.got[who] for who in machine.people if who.startswith("long")]
    assert min(got) > 0.05 * 1000
    assert max(got) - min(got) <= AHEAD_SECONDS + SHORT_SECONDS + machine.PIECE
    monkeypatch.setattr("dashboard.worker.turns.SHORT_COSTS", 1.0)
    even, _ = among_seven()
    assert middle <= 3 * 0.6 < even


def test_many_short_runs_of_one_person_are_long_work():
    """Whoever has a run waiting all the time pays in full, however short each is."""
    machine = Machine({"many": (6, 0.0), "one": (10**6, 0.0)})
    machine.run(200.0)
    assert abs(machine.got["many"] - machine.got["one"]) <= AHEAD_SECONDS + SHORT_SECONDS + 0.1


def test_a_short_pause_makes_nobody_new():
    """A script that asks for the next run as soon as one is done is no person who looks."""
    machine = Machine({"script": (6, 0.3), "one": (10**6, 0.0)})
    machine.run(200.0)
    assert machine.got["script"] <= 0.5 * 200 + AHEAD_SECONDS + SHORT_SECONDS


def test_who_is_gone_takes_no_memory():
    shares = Shares(iter(range(10**6)).__next__)
    for number in range(100):
        task = Task(Snapshot(str(number)), Priority.RUN, owner=str(number))
        shares.note_busy([task.person])
        shares.spend(task, 1.0)
    assert len(shares._had) == len(shares._busy) == 1
