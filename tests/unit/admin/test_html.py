import html.parser

from hypothesis import given
from hypothesis import strategies as st

from limosa_admin.web.html import document, el, text


class Reader(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.data = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.data += data


# A parser turns carriage returns into line feeds and drops NUL, whoever wrote them.
TEXT = st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"]))


@given(TEXT, TEXT)
def test_no_text_becomes_an_element_or_leaves_its_attribute(content: str, attribute: str) -> None:
    reader = Reader()
    reader.feed(el("p", content, title=attribute))
    reader.close()
    assert reader.tags == [("p", [("title", attribute)])]
    assert reader.data == content


def test_markup_is_kept_and_iterables_are_flattened() -> None:
    assert el("p", el("b", "<"), ["a", (1, None)], class_="x") == '<p class="x"><b>&lt;</b>a1</p>'
    assert el("input", disabled=True, value=None, hidden=False) == "<input disabled>"
    assert text("&") == "&amp;"


def test_a_document_has_no_inline_script_or_style() -> None:
    page = document("<title>", "body", scripts=["a.js"])
    assert '<script src="/static/a.js" defer></script>' in page
    assert "<style" not in page
    assert " style=" not in page
    assert "<title>&lt;title&gt;</title>" in page
