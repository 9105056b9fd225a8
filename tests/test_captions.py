"""Scene graphs of streets, and the captions that are written from them."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from bench.data.labels import CLASSES
from bench.data.streets import graph as scene_graph
from bench.data.streets import ids, render
from bench.data.streets.graph import LABEL, Graph, X, Y, describe
from bench.models.minis import captions
from bench.models.minis.captions import NAMES, SORTS, WHEN, Box, caption, cut, phrase, vocabulary, words_of

DAY = np.array([0, 0, 0, 0.9, 0], np.float32)
NIGHT = np.array([1, 0, 0, 0, 0], np.float32)


def thing(
    label: int, x: float, y: float = 0.5, *, sort: int = 0, rgb: tuple[float, ...] = (0.8, 0.05, 0.05)
) -> list[float]:
    return [label, sort, x, y, 0.2, 0.3, 15.0, *rgb]


def graph_of(*things: list[float], weather: np.ndarray = DAY) -> Graph:
    return Graph(np.array(things, np.float32).reshape(-1, scene_graph.COLUMNS), weather)


def nouns(text: str) -> set[int]:
    """Classes that a text names, by any of its words for them."""
    told = " " + " ".join(words_of(text)) + " "
    of = [(noun, label) for label, names in NAMES.items() for noun in names]
    of += [(noun, label) for (label, _), noun in SORTS.items()]
    told = told.replace(" a street with ", " ")
    found = set()
    for noun, label in sorted(of, key=lambda pair: -len(pair[0])):  # a traffic light is no light
        for form in (noun, captions._plural(noun)):
            if f" {form} " in told:
                found.add(label)
                told = told.replace(f" {form} ", "  ")
    return found


def said(graph: Graph, times: int = 60) -> list[str]:
    return [caption(graph, np.random.default_rng(k)) for k in range(times)]


def test_things_are_where_the_graph_says() -> None:
    """Held against the rendered labels, which the graph itself never sees."""
    hits: dict[int, list[bool]] = defaultdict(list)
    for street in range(12):
        label = render("wild", street, 128, 256).label
        for row in describe("wild", street).things:
            hits[int(row[LABEL])].append(label[int(row[Y] * 128), int(row[X] * 256)] == row[LABEL])
    assert np.mean([hit for own in hits.values() for hit in own]) > 0.9
    assert set(hits) == set(range(len(CLASSES)))
    for name in ("road", "building", "vegetation", "sky", "person", "car"):
        assert np.mean(hits[CLASSES.index(name)]) > 0.85, name


def test_a_graph_follows_from_street_and_wear() -> None:
    first, again, worn = describe("wild", 3), describe("wild", 3), describe("wild", 3, wear=1)
    np.testing.assert_array_equal(first.things, again.things)
    place = slice(0, scene_graph.RED)
    np.testing.assert_array_equal(first.things[:, place], worn.things[:, place])
    assert not np.array_equal(first.things, worn.things)


@pytest.mark.parametrize(("domain", "word"), [("night", "night"), ("rain", "rain"), ("snow", "snow"), ("fog", "fog")])
def test_the_weather_is_told(domain: str, word: str) -> None:
    graphs = [describe(domain, street) for street in range(4)]
    assert {captions.weather_word(graph) for graph in graphs} == {word}
    assert any(way in text for way in WHEN[word] for text in said(graphs[0], 20))


def test_captions_name_only_what_is_there() -> None:
    for street in range(6):
        graph = describe("wild", street)
        there = {int(label) for label in graph.things[:, LABEL]}
        for text in said(graph, 25):
            assert nouns(text) <= there, text
    assert nouns("a photo of two buses and a traffic light") == {ids.BUS, ids.LIGHT}  # the check can see


def test_a_crop_is_told_of_what_lies_in_it() -> None:
    graph = graph_of(thing(ids.CAR, 0.2), thing(ids.BUS, 0.8))
    left = cut(graph, Box(0.0, 0.0, 0.5, 1.0))
    assert left.things[:, LABEL].tolist() == [ids.CAR]
    assert left.things[0, X] == pytest.approx(0.4)
    assert all(nouns(text) <= {ids.CAR} for text in said(left))
    assert any(nouns(text) == {ids.CAR, ids.BUS} for text in said(graph))
    assert len(cut(graph, Box(0.0, 0.6, 1.0, 1.0)).things) == 0


def test_left_is_right_in_the_mirror() -> None:
    graph = graph_of(thing(ids.TRUCK, 0.1))
    mirrored = cut(graph, Box(), mirror=True)
    assert any("on the left" in text for text in said(graph))
    assert not any("on the right" in text for text in said(graph))
    assert any("on the right" in text for text in said(mirrored))
    assert not any("on the left" in text for text in said(mirrored))


def test_captions_vary_and_follow_from_their_generator() -> None:
    graph = describe("wild", 1)
    assert said(graph) == said(graph)
    assert len(set(said(graph))) > 50


def test_every_class_has_its_own_name_in_the_vocabulary() -> None:
    words = vocabulary()
    assert [NAMES[label][0] for label in range(len(CLASSES))] == list(CLASSES)
    for label in range(len(CLASSES)):
        row = np.array(thing(label, 0.5), np.float32)
        texts = {phrase(row, np.random.default_rng(k), dark=False)[0] for k in range(40)}
        assert any(CLASSES[label] in text for text in texts)
        assert {word for text in texts for word in words_of(text)} <= set(words)
    graphs = [describe("wild", street) for street in range(6)]
    assert {word for graph in graphs for text in said(graph, 25) for word in words_of(text)} <= set(words)
    assert len(set(words)) == len(words) < 200


def test_colours_have_words_by_day() -> None:
    for rgb, word in (((0.8, 0.1, 0.1), "red"), ((0.1, 0.3, 0.9), "blue"), ((0.2, 0.6, 0.2), "green")):
        assert captions.colour_word(np.array(rgb)) == word
    for value, word in ((0.05, "black"), (0.2, "dark"), (0.5, "grey"), (0.95, "white")):
        assert captions.colour_word(np.full(3, value)) == word
    assert captions.colour_word(np.array([0.4, 0.25, 0.1])) == "brown"
    car = thing(ids.CAR, 0.5)
    assert any("red car" in text for text in said(graph_of(car)))
    assert not any("red" in words_of(text) for text in said(graph_of(car, weather=NIGHT)))
    assert any("person in red" in text for text in said(graph_of(thing(ids.PERSON, 0.5))))


def test_an_empty_crop_still_has_a_caption() -> None:
    assert set(said(graph_of(), 20)) <= {f"a photo {way}" for way in WHEN["sun"]}
