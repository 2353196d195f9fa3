"""Quotations, checked."""

import pytest

import longspan
from common import PDF, PUMP


def test_quotations_have_a_status_and_a_place():
    quotes = ["installed in May 1911", "installed in May 1912", "It  stopped in 1923", "painted the whole ceiling"]
    citations = longspan.cite(quotes, [longspan.Document(PUMP, "pump.txt")])
    assert [citation.status for citation in citations] == ["exact", "altered", "normalised", "not_found"]
    assert [bool(citation) for citation in citations] == [True, False, True, False]
    first, altered = citations[:2]
    assert (first.quote, first.document, first.places[0]["line"], first.id) == (quotes[0], "pump.txt", 1, "1")
    [edit] = altered.edits
    assert (edit["from"], edit["to"]) == ("1912", "1911")
    assert PUMP[edit["document_start"] : edit["document_end"]] == "1911"
    assert altered.quote[edit["start"] : edit["end"]] == "1912"
    assert list(first.to_dict())[:3] == ["id", "quote", "start"] and "exact" in repr(first)


def test_the_quotations_of_a_text_are_found():
    text = 'They say "the pump was installed in May 1911", and "so it is".\n\n> It stopped in 1923.\n'
    citations = longspan.cite(text, longspan.Document(PUMP))
    assert [(one.quote, one.status) for one in citations] == [
        ("the pump was installed in May 1911", "normalised"),
        ("so it is", "not_found"),
        ("It stopped in 1923.", "exact"),
    ]
    assert text[citations[0].to_dict()["start"] :].startswith("the pump")
    assert len(longspan.cite(text, longspan.Document(PUMP), min_words=4)) == 2


def test_what_an_author_names_is_checked():
    quote = {"quote": "It is 12 m deep.", "document": "pages", "page": 2, "id": "a"}
    [citation] = longspan.cite([quote], [PDF / "pages.pdf"])
    named = citation.to_dict()["named"]
    assert (citation.id, citation.status, citation.page) == ("a", "exact", 3)
    assert named == {"document": "pages", "page": "2", "agrees": False}


@pytest.mark.parametrize("given", [str(PDF / "pages.pdf"), PDF / "pages.pdf", longspan.read(PDF / "pages.pdf")])
def test_one_document_is_a_list_of_one(given):
    assert longspan.cite(["It is 12 m deep."], given) == longspan.cite(["It is 12 m deep."], [PDF / "pages.pdf"])


def test_what_was_not_read_makes_it_unchecked():
    [citation] = longspan.cite(["painted the ceiling"], [longspan.Document(PUMP), PDF / "missing.pdf"])
    checked = citation.to_dict()["checked"]
    assert citation.status == "unchecked" and checked["unread_count"] == 1
    assert "missing.pdf" in checked["unread"][0]["document"]
    assert longspan.cite(["x"], "caf\udce9.pdf")[0].status == "unchecked"
    with pytest.raises(ValueError, match="min_words"):
        longspan.cite("", [], min_words=0)
    with pytest.raises(TypeError, match="expected a text or a list of quotations"):
        longspan.cite({"quote": "painted the ceiling"}, [])
