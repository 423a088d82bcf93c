"""The page in a real browser, driven as a person would: by labels, keys and what is seen."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from src.serve.served import ServedModel
from tests.serve.fake_model import CLASSIFY, FakePredictor
from tests.serve.running import Running, Start

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIZE = {"width": 900, "height": 1000}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here (Debian's package chromium)"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with driver.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Page:
    """The page of a server, with everything that the browser complained of."""

    def __init__(self, browser: Any, running: Running, **more: Any) -> None:
        self.complaints: list[str] = []
        self.running = running
        self.context = browser.new_context(viewport=SIZE, **more)
        self.page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._check_address)
        self.page.goto(running.server.address)
        self.page.get_by_text("ready", exact=True).wait_for()

    def _check_address(self, request: Any) -> None:
        if not request.url.startswith(self.running.server.address):
            self.complaints.append(f"asked for {request.url}")

    def fill(self, **texts: str) -> None:
        for label, text in texts.items():
            self.page.get_by_label(label.replace("_", " ")).fill(text)

    def ask(self) -> str:
        self.page.get_by_role("button", name="Ask the model").click()
        self.page.locator("#time", has_text="Answered in").wait_for()
        return str(self.page.locator("#result").inner_text())


@pytest.fixture
def open_page(browser: Any, start: Start) -> Iterator[Any]:
    """Return a function that serves a model and opens its page; at the end the browser must have had no complaint."""
    opened: list[Page] = []

    def open_one(model: ServedModel = CLASSIFY, **more: Any) -> Page:
        opened.append(Page(browser, start(FakePredictor(model)), **more))
        return opened[-1]

    yield open_one
    for page in opened:
        page.context.close()
        assert page.complaints == []


def test_labels_with_their_probabilities(open_page: Any) -> None:
    page = open_page()
    page.fill(First_text="a good film")
    answer = page.ask()
    assert answer.split("\n")[0] == "good"
    assert "90.0 %" in answer
    assert "10.0 %" in answer
    widths = page.page.locator(".fill").evaluate_all("bars => bars.map(bar => bar.style.width)")
    assert widths == ["90%", "10%"]
    assert page.page.title() == "ALBERT · films"


def test_a_score(open_page: Any) -> None:
    page = open_page(ServedModel("classify", "regression", "sts-b", pairs=True))
    page.fill(First_text="a", Second_text="b")
    assert page.ask() == "Score 2.500"
    assert page.running.predictor.batches == [["a"]]


def test_the_answer_stands_out_in_the_passage(open_page: Any) -> None:
    page = open_page(ServedModel("qa", "squad", "squad"))
    # Characters beyond 16 bits count once in the answer's place and twice in the browser.
    page.fill(Passage="😀😀 It rained in Rom\u0113", Question="Where?", Answers="2")
    answer = page.ask()
    assert answer.split("\n")[0] == "Rom\u0113"
    assert page.page.locator("mark").all_inner_texts() == ["Rom\u0113"]
    assert page.page.locator(".passage").inner_text() == "😀😀 It rained in Rom\u0113"
    assert page.page.locator(".bars dt").count() == 2


def test_entities_are_marked_in_the_text(open_page: Any) -> None:
    page = open_page(ServedModel("ner", "token_classification", "names", labels=("O", "B-PER")))
    page.fill(Text="then Ada met Charles")
    page.ask()
    assert page.page.locator(".entity").all_inner_texts() == ["AdaPER", "CharlesPER"]


def test_words_for_masks(open_page: Any) -> None:
    page = open_page(ServedModel("fill-mask", "pretraining", "pretrain"))
    page.fill(Text_with_="A ", Candidates="3")
    page.page.get_by_role("button", name="Insert [MASK]").click()
    assert page.page.get_by_label("Text with").input_value() == "A [MASK]"
    answer = page.ask()
    assert answer.split("\n")[0] == "A word0"
    assert page.page.locator(".bars dt").all_inner_texts() == ["word0", "word1", "word2"]


def test_the_similarity_of_two_texts(open_page: Any) -> None:
    page = open_page(ServedModel("encode", "any", "encoder"))
    page.page.get_by_label("Text", exact=True).fill("abc")
    page.fill(Compare_with="abc")
    assert "Similarity 1.000" in page.ask()
    assert "3 numbers" in page.page.locator("#result").inner_text()


def test_texts_are_no_markup(open_page: Any) -> None:
    attack = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    page = open_page(ServedModel("ner", "token_classification", "<b>names</b>", labels=("O", "B-PER")))
    page.fill(Text=f"Ada {attack}")
    answer = page.ask()
    assert attack in answer
    assert page.page.locator("main img, main script").count() == 0
    assert page.page.locator("h1").inner_text() == "<b>names</b>"


def test_errors_are_shown_and_go_away(open_page: Any) -> None:
    page = open_page()
    page.fill(First_text="unanswerable")
    page.page.get_by_role("button", name="Ask the model").click()
    alert = page.page.get_by_role("alert")
    alert.wait_for()
    assert alert.inner_text() == "inputs[0]: the text is unanswerable → give another one"
    assert not page.page.locator("#answer").is_visible()
    # The browser itself notes the status of a refused request.
    assert all("422" in complaint for complaint in page.complaints)
    page.complaints.clear()
    page.fill(First_text="good")
    page.ask()
    assert not alert.is_visible()


def test_a_server_that_has_gone_is_told(open_page: Any) -> None:
    page = open_page()
    page.running.stop()
    page.fill(First_text="good")
    page.page.get_by_role("button", name="Ask the model").click()
    page.page.get_by_text("The server cannot be reached.").wait_for()
    page.complaints.clear()


def test_everything_by_keyboard(open_page: Any) -> None:
    page = open_page()
    keyboard = page.page.keyboard
    # The first field has the focus.
    keyboard.type("a good film")
    keyboard.press("Control+Enter")
    page.page.locator("#time", has_text="Answered in").wait_for()
    keyboard.press("Tab")
    keyboard.press("Tab")
    assert page.page.evaluate("document.activeElement.id") == "send"
    keyboard.press("Tab")
    keyboard.press("Enter")
    assert page.page.get_by_label("First text").input_value().startswith("A warm, funny film")


def test_every_field_and_button_has_a_name(open_page: Any) -> None:
    page = open_page(ServedModel("qa", "squad", "squad"))
    controls = page.page.locator("input:visible, textarea:visible, button:visible, a:visible")
    names = controls.evaluate_all(
        "all => all.map(one => (one.labels && one.labels.length ? one.labels[0] : one).innerText)"
    )
    assert len(names) == 8
    assert all(names)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_screenshot(open_page: Any, tmp_path: Path, scheme: str) -> None:
    model = ServedModel("classify", "classification", "film reviews", labels=("bad", "good"), pairs=False, length=64)
    page = open_page(model, color_scheme=scheme)
    page.page.get_by_role("button", name="Example").click()
    page.page.get_by_label("Text").fill("A warm, funny film with good acting.")
    page.ask()
    page.page.screenshot(path=tmp_path / f"{scheme}.png")
    with Image.open(tmp_path / f"{scheme}.png") as picture:
        assert picture.size == (SIZE["width"], SIZE["height"])
        counted = picture.convert("RGB").getcolors(1 << 24) or []
    colours = {colour for _, colour in counted}
    # Letters are smoothed: a page with text has many shades, an empty one a handful.
    assert len(colours) > 50
    back = {"light": (0xF3, 0xF5, 0xF9), "dark": (0x12, 0x16, 0x1F)}[scheme]
    bar = {"light": (0x34, 0x57, 0xD5), "dark": (0x6F, 0x8C, 0xF5)}[scheme]
    assert {back, bar} <= colours
