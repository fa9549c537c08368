"""Load published weights into a backbone, from the first source that has them."""

from pathlib import Path

from torch import nn

from vision.errors import WeightsError, suggest
from vision.weights.download import (
    LOAD_LINE,
    cached,
    check_network,
    download_from_hub,
    download_from_url,
)
from vision.weights.index import WeightsSource, published_weights
from vision.weights.load import LoadReport, load_weights
from vision.weights.read import read_state_dict


def load_pretrained(
    backbone: nn.Module, name: str, pretrained: bool | str, *, once: bool = False
) -> LoadReport:
    """Load published weights, or weights of one's own, into a backbone.

    Args:
        backbone: The backbone that was built by `name`.
        name: Name of a published variant, such as `"swin_tiny"`.
        pretrained: True takes the first source of the index that works, a cached one before all
            others; a string is a path, `"hf://owner/repo[/file][@revision]"` or an http(s) URL.
        once: Whether a host that does not answer at once is not asked again, as where random
            weights will do.

    Returns:
        What `load_weights` did.

    Raises:
        WeightsError: The variant has no published weights, no source works, or the weights do
            not fit; the message names every address that was tried and why it failed.
    """
    if isinstance(pretrained, str):
        return load_weights(backbone, pretrained)
    index = published_weights()
    if name not in index:
        raise WeightsError(
            f"there are no published weights for '{name}'.{suggest(name, index)} Name a variant, "
            f"or load a file of your own: {LOAD_LINE}"
        )
    sources = sorted(index[name].sources, key=lambda source: not _is_cached(source))
    failures = []
    for source in sources:
        try:
            state = read_state_dict(_fetch_source(source, once=once))
        except WeightsError as error:
            failures.append(f"  {source.publisher}: {str(error).splitlines()[0]}")
        else:
            return load_weights(backbone, state)
    tried = "\n".join(failures)
    raise WeightsError(
        f"the published weights of '{name}' could not be fetched:\n{tried}\n"
        f"Download a file by hand, then: {LOAD_LINE}"
    )


def _fetch_source(source: WeightsSource, *, once: bool) -> Path:
    address = source.url or source.hub
    if once and address is not None and cached(address) is None:
        check_network(address)
    if source.url is not None:
        return download_from_url(source.url, sha256=source.sha256 or source.sha256_prefix)
    if source.hub is not None:
        return download_from_hub(source.hub)
    note = f" ({source.note})" if source.note else ""
    raise WeightsError(f"only by hand from {source.page}{note}")


def _is_cached(source: WeightsSource) -> bool:
    address = source.url or source.hub
    return address is not None and cached(address) is not None
