"""training.train, sharded over processes without a GPU: torch can do that, accelerate asks it of GPUs only."""

import sys

from accelerate import DistributedType
from accelerate.state import AcceleratorState

plain = AcceleratorState.__init__


def sharded(self, *arguments, fsdp_plugin=None, **options):
    """As the original does for GPUs."""
    plain(self, *arguments, fsdp_plugin=fsdp_plugin, **options)
    if fsdp_plugin is not None:  # not where the state, which all instances share, is only looked up
        self.distributed_type, self.fsdp_plugin = DistributedType.FSDP, fsdp_plugin


if __name__ == "__main__":
    AcceleratorState.__init__ = sharded
    from training.train import main

    sys.exit(main())
