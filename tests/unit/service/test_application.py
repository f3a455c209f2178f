"""The service: requests that are bounded, checked and answered together."""

import asyncio
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toys import N_ITEMS, small

import lxr
from lxr.service import answers as answering
from lxr.service import application as service
from lxr.service.answers import Limits

testclient = pytest.importorskip("fastapi.testclient")

LIMITS = Limits(max_body=2000, max_history=5, max_items=3)


@pytest.fixture(scope="module")
def bundle():
    """A bundle of fifty users and an MF, explained by leave-one-out."""
    consumed = np.random.default_rng(1).random((50, N_ITEMS)) < 0.3
    consumed[:, 0], consumed[:, -1] = True, False
    data = lxr.Interactions(sp.csr_matrix(consumed.astype(np.float32)), np.arange(50), 100 + np.arange(N_ITEMS))
    model = small("mf")
    return lxr.Bundle(model, lxr.explainers.LeaveOneOut(model), data, {"torch": "2"})


@pytest.fixture(scope="module")
def client(bundle):
    """A client of the service in this process."""
    with testclient.TestClient(service.application(bundle, limits=LIMITS)) as client:
        yield client


def fields(response):
    """Fields of which a response complains."""
    assert response.status_code == 422, response.text
    return {each["loc"][1] if len(each["loc"]) > 1 else each["loc"][0] for each in response.json()["detail"]}


def test_a_user_and_a_history_are_explained(client, bundle):
    response = client.post("/explain", json={"user": 7, "n": 2})
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert response.json()["explanations"] == list(bundle.explain(users=7, n_recommendations=2).records())
    response = client.post("/explain", json={"history": [103, 105]})
    assert response.json()["explanations"] == list(bundle.explain(histories=[[103, 105]]).records())


def test_health_names_what_is_served(client, bundle):
    health = client.get("/health").json()
    assert (health["status"], health["recommender"], health["explainer"]) == ("ok", "MF", "LeaveOneOut")
    assert (health["users"], health["items"], health["waiting"]) == (50, bundle.data.n_items, 0)
    assert (health["recommender_fingerprint"], health["explainer_fingerprint"]) == bundle.by.fingerprints


def test_the_page_describes_requests_and_records(client):
    assert client.get("/docs").status_code == 200
    described = client.get("/openapi.json").json()
    schemas = described["components"]["schemas"]
    (record,) = client.post("/explain", json={"user": 7}).json()["explanations"]
    assert set(schemas["Record"]["properties"]) == set(schemas["Record"]["required"]) == set(record)
    assert set(schemas["Question"]["properties"]) == {"user", "history", "items", "n", "reasons"}
    assert schemas["CounterfactualRecord"]["properties"]["certificate"]["enum"] == ["optimal", "bound", "none"]
    answer = described["paths"]["/explain"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer == {"$ref": "#/components/schemas/Answer"}


BAD = {
    "no user": ({}, "user"),
    "unknown user": ({"user": 99}, "user"),
    "user by text": ({"user": "7"}, "user"),
    "user by truth": ({"user": True}, "user"),
    "user by float": ({"user": 7.0}, "user"),
    "empty history": ({"history": []}, "history"),
    "long history": ({"history": [100, 101, 102, 103, 104, 105]}, "history"),
    "history is a number": ({"history": 100}, "history"),
    "unknown item": ({"history": [100, 1]}, "history"),
    "too many items": ({"user": 7, "items": [100, 101, 102, 103]}, "items"),
    "no item": ({"user": 7, "items": []}, "items"),
    "none at all": ({"user": 7, "n": 0}, "n"),
    "too many best": ({"user": 7, "n": 4}, "n"),
    "n is a text": ({"user": 7, "n": "1"}, "n"),
    "too many reasons": ({"user": 7, "reasons": 6}, "reasons"),
    "unknown field": ({"user": 7, "explainer": "lxr"}, "explainer"),
    "a list": ([{"user": 7}], "body"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_status_422_with_the_field(name, client):
    body, field = BAD[name]
    assert fields(client.post("/explain", json=body)) == {field}


RAW = {
    "nothing": (b"", 422),
    "no JSON": (b"{", 422),
    "no UTF-8": (b"\xff\xfe", 422),
    "a number that is none": (b'{"user": NaN}', 422),
    "half a character": (b'{"user": "\\ud800"}', 422),
    "half a character as name": (b'{"\\ud800": 1}', 422),
    "a long number": (b'{"user": ' + b"9" * 1900 + b"}", 422),
    "deep": (b"[" * 1990, 400),
    "long": (b" " * 2001, 413),
}


@pytest.mark.parametrize("name", RAW)
def test_what_is_no_request_is_refused(name, client):
    body, status = RAW[name]
    response = client.post("/explain", content=body, headers={"content-type": "application/json"})
    assert response.status_code == status, response.text
    assert response.json()["detail"]


def test_a_long_body_is_refused_whatever_its_header_says(client):
    response = client.post("/explain", content=iter([b" " * 900] * 3), headers={"content-type": "application/json"})
    assert response.status_code == 413 and "2000 bytes" in response.json()["detail"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
NEAR = st.integers(-1, 130) | JSON
REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "user": NEAR,
        "history": st.lists(NEAR, max_size=7) | JSON,
        "items": st.lists(NEAR, max_size=5) | JSON,
        "n": NEAR,
        "reasons": NEAR,
        "more": JSON,
    },
)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=REQUESTS | JSON)
def test_any_json_is_answered_or_refused(body, client):
    response = client.post("/explain", json=body)
    if len(response.request.content) > LIMITS.max_body:
        assert response.status_code == 413
    elif response.status_code == 200:
        records = response.json()["explanations"]
        assert all(len(record["reasons"]) <= body.get("reasons", 5) for record in records)
        assert len(records) <= (len(set(body["items"])) if body.get("items") is not None else body.get("n", 1))
    else:
        known = {"user", "history", "items", "n", "reasons", "body"}
        assert fields(response) <= known | (set(body) if isinstance(body, dict) else set())


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200))
def test_any_bytes_are_refused(body, client):
    response = client.post("/explain", content=body, headers={"content-type": "application/json"})
    assert response.status_code in (400, 422)


# --- together --------------------------------------------------------------------------------------------------------


@pytest.fixture
def seen(monkeypatch):
    """Sizes of the batches that are answered; the first one waits until there are others."""
    sizes, go_on = [], threading.Event()

    def counted(by, questions):
        sizes.append(len(questions))
        if len(sizes) == 1:
            go_on.wait(10)
        return answering.answers(by, questions)

    monkeypatch.setattr(service, "answers", counted)
    return sizes, go_on


def test_requests_that_come_together_are_answered_together_and_as_alone(bundle, seen):
    sizes, go_on = seen
    bodies = [{"user": user, "n": 1 + user % 2} for user in range(20)] + [
        {"history": [100, 101 + item]} for item in range(10)
    ]
    application = service.application(bundle, limits=Limits(max_batch=16))
    with testclient.TestClient(application) as client, ThreadPoolExecutor(31) as threads:
        first = threads.submit(client.post, "/explain", json={"user": 1})
        while not sizes:
            time.sleep(0.01)
        pending = [threads.submit(client.post, "/explain", json=body) for body in bodies]
        while client.get("/health").json()["waiting"] < len(bodies):
            time.sleep(0.01)
        go_on.set()
        assert first.result().status_code == 200
        found = [each.result().json()["explanations"] for each in pending]
    assert sizes == [1, 16, 14]
    with testclient.TestClient(service.application(bundle)) as client:
        for body, together in zip(bodies, found, strict=True):
            alone = client.post("/explain", json=body).json()["explanations"]
            assert [record["item"] for record in together] == [record["item"] for record in alone]
            for record, expected in zip(together, alone, strict=True):
                assert record["score"] == pytest.approx(expected["score"], abs=1e-5)
                assert [each["item"] for each in record["reasons"]] == [each["item"] for each in expected["reasons"]]
                assert record["sentence"] == expected["sentence"]


def test_one_thread_explains(bundle, monkeypatch):
    def counted(by, questions):
        threads.append(torch.get_num_threads())
        return answering.answers(by, questions)

    threads = []
    monkeypatch.setattr(service, "answers", counted)
    torch.set_num_threads(2)
    try:
        with testclient.TestClient(service.application(bundle)) as client:
            assert client.post("/explain", json={"user": 7}).status_code == 200
        assert (threads, torch.get_num_threads()) == ([1], 2)
    finally:
        torch.set_num_threads(1)


def test_more_requests_than_may_wait_are_refused(bundle, seen):
    sizes, go_on = seen
    with (
        testclient.TestClient(service.application(bundle, limits=Limits(max_waiting=2, max_batch=1))) as client,
        ThreadPoolExecutor(3) as threads,
    ):
        pending = [threads.submit(client.post, "/explain", json={"user": 1})]
        while not sizes:
            time.sleep(0.01)
        pending += [threads.submit(client.post, "/explain", json={"user": user}) for user in (2, 3)]
        while client.get("/health").json()["waiting"] < 2:
            time.sleep(0.01)
        response = client.post("/explain", json={"user": 4})
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
        go_on.set()
        assert [each.result().status_code for each in pending] == [200] * 3


def test_what_the_explainer_cannot_do_is_status_500(bundle, monkeypatch):
    monkeypatch.setattr(bundle.explainer, "importance", lambda *_: 1 / 0)
    with testclient.TestClient(service.application(bundle)) as client:
        response = client.post("/explain", json={"user": 7})
        assert response.status_code == 500 and "ZeroDivisionError" in response.json()["detail"]
        assert client.get("/health").status_code == 200
    monkeypatch.undo()


def test_a_request_that_is_given_up_takes_no_time(bundle, seen):
    sizes, go_on = seen

    async def scenario():
        batches = service.Batches(bundle.by, Limits())
        async with batches.running():
            question = answering.checked_question(bundle.by, user=7)
            first = asyncio.create_task(batches.answer(question))
            while not sizes:
                await asyncio.sleep(0.01)
            given_up, waiting = (asyncio.create_task(batches.answer(question)) for _ in range(2))
            await asyncio.sleep(0.01)
            given_up.cancel()
            go_on.set()
            return await first, await waiting

    first, second = asyncio.run(scenario())
    assert json.loads(first) == json.loads(second) and sizes == [1, 1]


def test_only_the_names_of_this_machine_are_answered(bundle):
    with testclient.TestClient(service.application(bundle, hosts=("localhost",)), base_url="http://localhost") as client:
        assert client.get("/health").status_code == 200
        assert client.get("/health", headers={"host": "evil.example"}).status_code == 400


def test_a_bundle_without_data_is_not_served(bundle):
    with pytest.raises(ValueError, match="data: the bundle has no ids"):
        service.application(lxr.Bundle(bundle.model, None, None, {}))
