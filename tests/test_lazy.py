from helpers.refusals import refuses

from vision.lazy import lazy_names


def test_names_resolve_to_attributes_and_to_modules() -> None:
    resolve, names = lazy_names("json", {"dumps": "json", "decoder": "json.decoder"})
    import json
    import json.decoder

    assert resolve("dumps") is json.dumps
    assert resolve("decoder") is json.decoder
    assert names() == ["decoder", "dumps"]


def test_an_unknown_name_is_an_attribute_error() -> None:
    resolve, _ = lazy_names("json", {"dumps": "json"})
    with refuses(AttributeError, "'json'", "'dmups'"):
        resolve("dmups")
