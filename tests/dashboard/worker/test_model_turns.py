"""Runs of a model in memory go first, and nobody is overtaken for ever."""

import random

from dashboard.worker.model_turns import ModelTurns


def served(waiting, room=1, most=16):
    """The order in which names like "a3" are begun, and how often a model is loaded for it."""
    turns, memory, loads, order = ModelTurns(most), [], 0, []
    line = list(waiting)
    while line:
        item = turns.choose(line, lambda item: True, lambda item: item[0] in memory[-room:])
        line.remove(item)
        order.append(item)
        if item[0] not in memory[-room:]:
            loads += 1
            memory.append(item[0])
    return order, loads


def test_twelve_that_alternate_load_each_model_once():
    waiting = [f"{'ab'[place % 2]}{place}" for place in range(12)]
    order, loads = served(waiting)
    assert loads == 2
    assert order == sorted(waiting, key=lambda name: (name[0], int(name[1:])))


def test_nobody_is_overtaken_more_often_than_that():
    waiting = ["b0", *(f"a{place}" for place in range(100)), "c0"]
    turns = ModelTurns(5)
    order = []
    while waiting:
        item = turns.choose(waiting, lambda item: True, lambda item: item[0] == "a")
        waiting.remove(item)
        order.append(item)
    assert order[5] == "b0" and order[-1] == "c0"


def test_in_any_line_the_bound_holds_and_each_models_order_stays():
    rng = random.Random(3)
    for _ in range(50):
        waiting = [f"{rng.choice('abc')}{place}" for place in range(60)]
        order, _ = served(waiting, most=4)
        for place, item in enumerate(waiting):
            before = [other for other in order[: order.index(item)] if other in waiting[place:]]
            assert len(before) <= 4
        for model in "abc":
            own = [int(name[1:]) for name in order if name[0] == model]
            assert own == sorted(own)


def test_who_was_overtaken_often_enough_is_waited_for():
    turns = ModelTurns(1)
    in_flight = {"a"}

    def can_begin(item):
        return item[0] in in_flight or not in_flight

    assert turns.choose(["b0", "a1", "a2"], can_begin, lambda item: item[0] == "a") == "a1"
    assert turns.choose(["b0", "a2"], can_begin, lambda item: item[0] == "a") is None
    in_flight.clear()
    assert turns.choose(["b0", "a2"], can_begin, lambda item: item[0] == "a") == "b0"


def test_where_a_study_holds_the_model_in_the_way_others_go_on():
    turns, line = ModelTurns(1), ["b0", "a1", "a2", "a3"]
    held = {"a"}
    order = []
    while len(line) > 1:
        order.append(
            turns.choose(
                line, lambda item: item[0] in held, lambda item: item[0] == "a", lambda item: False
            )
        )
        line.remove(order[-1])
    assert order == ["a1", "a2", "a3"]
    assert turns.choose(["b0", "a4"], lambda item: True, lambda item: item[0] == "a") == "b0"


def test_nothing_waits():
    assert ModelTurns().choose([], lambda item: True, lambda item: True) is None
