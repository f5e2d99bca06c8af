"""``slugc rebase``: an image of a slug on a new stack image, without building anything."""

from __future__ import annotations

from collections.abc import Callable

from buildpack.support.errors import UsageError, printable
from buildpack.support.values import changed
from slugc.stack import read_host_stack
from slugc.transfer.app_facts import NotOurImageError, facts_of_label
from slugc.transfer.base_image import StackImageMissingError, require_fit
from slugc.transfer.bases import image_target, open_base, open_image
from slugc.transfer.export import (
    Exported,
    ExportRequest,
    opened_packing,
    write_image,
)
from slugc.transfer.image import BASE_LAYERS_LABEL, ImageLayer, assemble
from slugc.transfer.image_source import StoredImage, history_of_layers
from slugc.transfer.outputs import require_free
from slugc.transfer.slug_layers import Packing, packed_layer
from slugc.transfer.streams import Compression
from slugc.transfer.targets import Transport


class NotAnImageTargetError(UsageError):
    """A rebased image can only be written as an image."""

    id = "not-an-image-target"

    def __init__(self, shown: str) -> None:
        super().__init__(
            f"{shown} is no place for an image",
            resolution="Give docker-archive:FILE, oci:DIR, oci-archive:FILE or docker://HOST/NAME:TAG.",
        )


def rebase(image: str, request: ExportRequest, notify: Callable[[str], None]) -> Exported:
    """Read ``image``, put its own layers on the new stack image, write it as ``request`` says."""
    target = request.target
    if not target.transport.is_image:
        raise NotAnImageTargetError(target.shown)
    if not target.is_stdout and target.transport is not Transport.REGISTRY:
        require_free(target.path, force=request.force)
    with opened_packing(request) as packing:
        source = image_target(image, request.cwd)
        arch = read_host_stack().arch
        stored = open_image(source, request, packing.scratch, arch=arch)
        app = facts_of_label(stored.labels, source.shown)
        stack = app.facts.stack
        if not request.stack_image:
            raise StackImageMissingError(stack.id)
        base = open_base(request.stack_image, request, packing, arch=stack.arch)
        require_fit(base, stack)
        own = tuple(_kept(layer, packing) for layer in own_layers(stored, source.shown))
        notify(f"The app's layers ({len(own)}) stay; under them {base.shown} ({len(base.layers)})")
        rebased = assemble(base, app, own)
        write_image(rebased, request, name=app.name, notify=notify)
    return Exported(target=target, digest=rebased.digest)


def own_layers(stored: StoredImage, shown: str) -> tuple[ImageLayer, ...]:
    """The layers of an image that are the slug's, by what its label says of the others."""
    label = stored.labels.get(BASE_LAYERS_LABEL, "")
    if not label.isascii() or not label.isdigit() or not int(label) < len(stored.layers):
        found = f"Its label {BASE_LAYERS_LABEL} is '{printable(label)}'."
        raise NotOurImageError(shown, found)
    entries = history_of_layers(stored.config, len(stored.layers))
    layers = tuple(
        changed(layer, history=entry) for layer, entry in zip(stored.layers, entries, strict=True)
    )
    return layers[int(label) :]


def _kept(layer: ImageLayer, packing: Packing) -> ImageLayer:
    """The layer's own bytes, unless the new place asks for plain ones, or for compressed."""
    is_plain = layer.blob.digest == layer.diff_id
    if is_plain == (packing.compression is Compression.NONE):
        return layer
    return packed_layer(layer.tar, packing, key=layer.diff_id, history=layer.history)
