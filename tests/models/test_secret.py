"""Access tokens are told by no error."""

import traceback

import pytest

import sdlab
from sdlab.errors import ModelError
from sdlab.models.secret import check_token, hidden

TOKEN = "hf_secretSECRET123"


@pytest.mark.parametrize("token", [TOKEN, None, True, False, "x"])
def test_what_is_a_token(token):
    check_token(token)


@pytest.mark.parametrize("token", ["", f" {TOKEN}", f"{TOKEN}\n", f"{TOKEN} {TOKEN}", f"{TOKEN}é"])
def test_what_is_none_is_refused_without_telling_it(token):
    with pytest.raises(ValueError, match="token must be ASCII") as told:
        sdlab.load("organisation/model", token=token)
    assert TOKEN not in "".join(traceback.format_exception(told.value))


def test_an_error_neither_says_it_nor_comes_from_one_that_does():
    def fails():
        try:
            raise RuntimeError(f"Illegal header value b'Bearer {TOKEN}'")
        except RuntimeError as error:
            raise ModelError(f"'a/b' cannot be loaded: {error}", 7) from error

    with pytest.raises(ModelError, match=r"Bearer \[token\]") as told, hidden(TOKEN):
        fails()
    assert told.value.__cause__ is told.value.__context__ is None
    assert told.value.args[1] == 7
    assert TOKEN not in "".join(traceback.format_exception(told.value))
    with pytest.raises(ModelError, match="secret") as told, hidden(None):
        fails()
    assert told.value.__cause__ is not None
