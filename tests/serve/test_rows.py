"""Rows in every form, checked by the schema of the model's record, through HTTP."""

import json
import re

import people
import pytest
import requests

GOOD = [[30, "clerk", 40], [45, "cook, head", 0.5]]
OBJECTS = [{"hours": 40, "age": 30, "job": "clerk"}, {"job": "cook, head", "hours": 0.5, "age": 45}]
LINES = "".join(json.dumps(row) + "\n" for row in GOOD)
BODIES = {
    "objects": ("application/json", json.dumps({"payload": {"instances": OBJECTS}})),
    "CSV": ("text/csv", '30,clerk,40\n45,"cook, head",.5\n'),
    "CSV with a header": ("text/csv", 'age,job,hours\n30,clerk,40\n45,"cook, head",0.5'),
    "CSV in another order": (
        "text/csv; charset=utf-8",
        'hours,age,job\r\n40,30, clerk\r\n\r\n5e-1,45,"cook, head"\r\n',
    ),
    "CSV with a byte-order mark": ("TEXT/CSV", '\ufeffjob,age,hours\nclerk,+30,40.\n"cook, head",45,.5'),
    "JSON lines": ("application/x-ndjson", LINES),
    "JSON lines of objects": ("application/jsonl", "\n".join(map(json.dumps, OBJECTS)) + "\n\n"),
}
BOTH = pytest.mark.parametrize("route", ["people/encoded", "people/plain"])


@pytest.fixture(scope="module")
def daemon(start, tmp_path_factory):
    return people.served(start, tmp_path_factory.mktemp("people") / "action")


def send(daemon, route, content_type, body):
    headers = {"Content-Type": content_type}
    return daemon.post(route, data=body.encode() if isinstance(body, str) else body, json=None, headers=headers)


def error_of(response):
    assert response.status_code == 400, response.text
    answer = response.json()["payload"]
    assert answer["success"] is False
    assert "\n" not in answer["error"]
    return answer["error"]


@BOTH
@pytest.mark.parametrize("form", BODIES)
def test_rows_are_understood_in_every_form(daemon, route, form):
    answer = send(daemon, route, *BODIES[form])
    assert answer.status_code == 200, answer.text
    assert answer.json() == daemon.post(route, GOOD).json()


def test_numbers_and_text_arrive_as_the_schema_says(daemon):
    rows = send(daemon, "people/plain", "text/csv", "007,12,3\n").json()["payload"]["predictions"]
    assert rows == [[7, "12", 3]]
    assert [type(value) for value in rows[0]] == [int, str, int]


@pytest.mark.parametrize(
    ("content_type", "body", "rows"),
    [
        ("text/csv", 'a,1,2.5\n"b, c",-3,nan\n', [["a", "1", 2.5], ["b, c", "-3", "nan"]]),
        ("application/x-ndjson", "[1, null]\n[2, [3]]", [[1, None], [2, [3]]]),
        ("application/x-ndjson", '{"a": 1}\n{"b": 2}', [{"a": 1}, {"b": 2}]),
        ("application/json", '{"payload": {"instances": [{"a": 1}, {"b": 2}]}}', [{"a": 1}, {"b": 2}]),
    ],
)
def test_without_a_schema_rows_are_handed_on_and_text_is_what_the_sample_has_as_text(daemon, content_type, body, rows):
    assert send(daemon, "free", content_type, body).json() == {"payload": {"predictions": rows}}


@BOTH
@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([[30, "clerk"]], "instances[0] has 2 value(s): send 3 values: age, job, hours"),
        ([[30, "clerk", 40], [30, "clerk"]], "instances[1] has 2 values"),
        ([[30, "clerk", 40], ["30", "clerk", 40]], "instances[1], column age: the text '30' where a finite number"),
        ([[30, 7, 40]], "instances[0], column job: the number 7 where text belongs"),
        ([[30, "clerk", None]], "instances[0], column hours: null where a finite number"),
        ([[True, "clerk", 1], [30, [], 1]], "instances[0], column age: true where a finite number"),
        ([[30, [], 1], [30, "clerk", 1]], "instances[0], column job: a list where text"),
        ([30, "clerk", {}], "instances[1] is text, instances[0] is a number"),
        ([{"age": 30, "job": "clerk", "hour": 40}], "instances[0] has no column 'hours' and has the unknown column"),
        ([OBJECTS[0], {"age": 1}], "instances[1] has no column 'job', 'hours': send 3 values: age, job, hours"),
        ([OBJECTS[0], [30, "clerk", 40]], "instances[1] is a list, instances[0] is an object"),
        ([OBJECTS[0] | {"age": "x"}], "instances[0], column age: the text 'x'"),
    ],
)
def test_a_bad_row_is_named_with_its_column(daemon, route, rows, says):
    assert says in error_of(daemon.post(route, rows))


@BOTH
@pytest.mark.parametrize("value", ["NaN", "-Infinity", "Infinity"])
def test_what_is_not_finite_is_named_though_it_is_not_json(daemon, route, value):
    body = f'{{"payload": {{"instances": [[30, "NaN", 40], [30, "clerk", {value}]]}}}}'
    error = error_of(send(daemon, route, "application/json", body))
    assert "not JSON: instances[1], column hours: " in error
    assert error.endswith("send finite numbers")
    objects = f'{{"payload": {{"instances": [{{"age": {value}}}]}}}}'
    assert "instances[0], column 'age': " in error_of(send(daemon, route, "application/json", objects))


def test_nan_is_named_by_its_place_where_columns_have_no_names(daemon):
    body = '{"payload": {"instances": [[1, 2], [3, NaN]]}}'
    assert "instances[1], column 1: nan" in error_of(send(daemon, "free", "application/json", body))


@BOTH
@pytest.mark.parametrize(
    ("content_type", "body", "says"),
    [
        ("text/csv", "", "no rows"),
        ("text/csv", "age,job,hours\n", "header line and no rows"),
        ("text/csv", "30,clerk\n", "line 1 has 2 value(s), not 3: send 3 values: age, job, hours"),
        ("text/csv", "age,job,hours\n30,clerk,40\n\n30,clerk,40,1\n", "line 4 has 4 value(s), not 3"),
        ("text/csv", "30,clerk,40\n,,\n", "line 2, column age: nothing where a finite number belongs"),
        ("text/csv", "30,clerk,40\n30,clerk,nan\n", "line 2, column hours: the text 'nan' where a finite number"),
        ("text/csv", "1_0,clerk,40\n", "line 1, column age: the text '1_0'"),
        ("text/csv", "1e999,clerk,40\n", "line 1, column age: the text '1e999'"),
        (
            "text/csv",
            "age,work,hours\n30,clerk,40\n",
            "line 1 has no column 'job' and has the unknown column(s) 'work'",
        ),
        ("text/csv", "age,age,job,hours\n30,30,clerk,40\n", "line 1 names the column 'age' twice"),
        ("text/csv", '30,"clerk,40\n', "line 1 is not CSV"),
        ("text/csv", b"30,\xff,40\n", "not UTF-8"),
        ("text/csv", '{"payload": {"instances": [[30, "clerk", 40]]}}', "line 1 has 3 value(s)|line 1, column age"),
        ("application/x-ndjson", " \n\n", "no rows"),
        ("application/x-ndjson", '[30, "clerk", 40]\n\n[30, "clerk"\n', "line 3 is not JSON"),
        ("application/x-ndjson", '[30, "clerk", NaN]\n', "line 1 is not JSON"),
        ("application/x-ndjson", '[30, "clerk", 40]\n[30, "clerk"]\n', "line 2 has 2 value(s), not 3"),
        ("application/x-ndjson", '[30, "clerk", 40]\n{"age": 30}\n', "line 2 is an object"),
        ("application/x-ndjson", '\n30\n"clerk"\n40\n', "line 2 is the number 30"),
        ("application/x-ndjson", '\n{"age": 30, "job": "clerk"}\n', "line 2 has no column 'hours'"),
    ],
)
def test_a_bad_line_is_named(daemon, route, content_type, body, says):
    error = error_of(send(daemon, route, content_type, body))
    assert any(part in error for part in says.split("|")), error


@BOTH
def test_drift_is_answered_and_counted_once(daemon, route):
    def drift():
        text = requests.get(f"{daemon.url}/metrics", timeout=10).text
        found = re.findall(rf'^trainyard_drift_total{{route="{route}",column="(.+)"}} (.+)$', text, re.MULTILINE)
        total = {column: int(count) for column, count in found}
        new = {column: count - before.get(column, 0) for column, count in total.items() if count != before.get(column)}
        before.update(total)
        return new

    before = {}
    drift()
    assert daemon.post(route, GOOD).status_code == 200
    assert drift() == {}
    assert daemon.post(route, [[19, "clerk", 61], [61, "pilot", 1]]).status_code == 200
    assert drift() == {"age": 2, "job": 1, "hours": 1}
    assert daemon.post(route, [[61, "pilot", 61]]).status_code == 200
    assert drift() == {"age": 1, "job": 1, "hours": 1}
    assert daemon.post(route, [[61, "pilot", None]]).status_code == 400
    assert drift() == {}


def test_a_record_without_a_schema_leaves_rows_to_the_function(start, tmp_path):
    daemon = people.served(start, tmp_path / "action", schema=None)
    assert daemon.post("people/plain", [[1], [2]]).json()["payload"]["predictions"] == [[1], [2]]
    assert send(daemon, "people/plain", "text/csv", "a,1\n").json()["payload"]["predictions"] == [["a", 1]]
    assert "3 values" in error_of(daemon.post("people/encoded", [[1], [2]]))
