"""Stand-ins for objects that a pickle describes and that are never made."""

from __future__ import annotations

from typing import Any

from repr_probe.files.printable import printable


class Dead:
    """An object of a class nobody imported: what the file says about it, and nothing that could run.

    kind: the full name of its class ("torchvision.models.resnet.ResNet").  args: what the class would have been called with.
    state: its attributes, usually a dict; None where the file sets none.  items, list: what it holds if it is a kind of dict or list.
    """

    __slots__ = ("args", "items", "kind", "list", "state")

    def __init__(self, kind: str, args: tuple[Any, ...] = ()) -> None:
        self.kind, self.args = kind, args
        self.state: Any = None
        self.items: dict[Any, Any] = {}
        self.list: list[Any] = []

    def __repr__(self) -> str:
        return f"<dead {printable(self.kind)}>"


class Name(Dead):
    """A class or function that is only named, as an attribute may be: `activation=torch.nn.functional.relu`."""

    __slots__ = ()


class Unbuilt(Dead):
    """What can only be made once its state is known (a numpy array). slots: where in the memo it has to be replaced then."""

    __slots__ = ("slots",)

    def __init__(self, kind: str, args: tuple[Any, ...] = ()) -> None:
        super().__init__(kind, args)
        self.slots: list[int] = []
