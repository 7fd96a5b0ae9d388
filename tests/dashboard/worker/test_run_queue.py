"""What waits: people take turns."""

from dashboard.worker.run_queue import RunQueue
from dashboard.worker.run_task import RunTask
from dashboard.worker.snapshots import ModelRequest, RunSnapshot
from dashboard.worker.task import Priority
from sdlab.experiment.experiment import Experiment

N = iter(range(1000))


def run(person, model="embedded"):
    experiment = Experiment(model=model, seed=next(N))
    return RunTask(RunSnapshot("", experiment=experiment), Priority.RUN, session=person)


def even(person):
    return 0.0


def test_people_take_turns():
    many, one = [run("many") for _ in range(200)], run("one")
    assert RunQueue([*many, one]).in_turn({}, even)[:3] == [many[0], one, many[1]]


def test_who_has_fewer_in_flight_comes_first_then_who_has_had_less():
    a, b, c = run("a"), run("b"), run("c")
    spent = {"a": 0.0, "b": 9.0, "c": 3.0}.__getitem__
    assert RunQueue([a, b, c]).in_turn({"a": 32}, spent) == [c, b, a]


def test_an_owner_is_one_person_in_all_their_browsers():
    first, second, other = run("laptop"), run("desktop"), run("other")
    first.owner = second.owner = "ada"
    assert RunQueue([first, second, other]).in_turn({}, even) == [first, other, second]


def test_another_model_comes_in_the_turn_of_who_asks_for_it():
    many, load = [run("many") for _ in range(3)], ModelRequest("other", owner="ada")
    assert RunQueue([*many, load]).in_turn({}, even) == [many[0], load, *many[1:]]


def test_places_in_the_queue_are_turns():
    many, one, two = [run("many") for _ in range(3)], run("one"), run("two")
    queue = RunQueue([*many, one, two])
    queue.number()
    assert [task.snapshot.position for task in (*many, one, two)] == [1, 4, 5, 2, 3]


def test_of_one_person_the_latest_model_waits():
    mine, other = run("a"), ModelRequest("b", session="c")
    queue = RunQueue([ModelRequest("a", session="a"), other, mine])
    queue.ask_for_model(latest := ModelRequest("d", session="a"))
    assert list(queue) == [other, mine, latest]
