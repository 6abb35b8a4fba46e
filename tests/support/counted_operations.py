"""What PyTorch is asked to do, counted: operations, products, bytes allocated and bytes moved."""

from collections import Counter
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# Operations that wait for the device, or take as much memory as their input's values say, for which they wait.
WAITING = ("_local_scalar_dense", "nonzero", "bincount", "_unique2", "masked_select", "is_nonzero")
_PRODUCTS = ("mm", "bmm", "addmm", "addmm_", "baddbmm", "baddbmm_")


class CountedOperations(TorchDispatchMode):
    """Counts what this thread asks for while it is entered; views are none.

    Attributes
    ----------
    calls : Counter of str
        Operations by name, in place and with `out` among them: "mm", "add_".
    products : int
        Multiplications and additions in matrix products and convolutions.
    allocated, moved : int
        Bytes of new results, and bytes of all operands and results.
    devices : set of str
        Types of the devices that the tensors are on.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()
        self.products = self.allocated = self.moved = 0
        self.devices: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        given = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
        made = [each for each in tree_leaves(result) if isinstance(each, Tensor)]
        self.devices |= {each.device.type for each in (*given, *made)}
        is_view = func.is_view or func.overloadpacket.__name__ in ("detach", "_unsafe_view", "alias")
        if is_view:
            return result
        name = func.overloadpacket.__name__
        self.calls[name] += 1
        own = [each for each in made if not any(each is other for other in given)]
        self.allocated += sum(map(_size, own))
        self.moved += sum(map(_size, (*given, *own)))
        if name in _PRODUCTS:
            # The last two of those given, but for `out`.
            left, right = [each for each in given if each.ndim >= 2][-3 if "out" in (kwargs or {}) else -2 :][:2]
            self.products += 2 * left.numel() * right.shape[-1]
        elif name == "convolution":
            self.products += 2 * made[0].numel() * given[1][0].numel()
        elif name == "convolution_backward":
            # Of the inputs, the kernels, or both.
            self.products += 2 * sum(args[-1][:2]) * given[0].numel() * given[2][0].numel()
        return result

    def waits(self) -> int:
        """Return how many operations waited for the device."""
        return sum(self.calls[name] for name in WAITING)


def _size(tensor: Tensor) -> int:
    return tensor.numel() * torch.empty((), dtype=tensor.dtype).element_size()
