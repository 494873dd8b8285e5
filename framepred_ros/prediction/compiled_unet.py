"""The UNet compiled by `torch.compile`, with CUDA graphs on a GPU."""

import torch


class CompiledUNet:
    """Stands in for a `diffusers.UNet2DConditionModel` when sampling; any device and dtype.

    The first call with each batch size compiles, which takes a minute or more; PyTorch keeps part of the result in its
    cache folder. On a CPU a C++ compiler is needed, on a GPU Triton, which comes with PyTorch. A CUDA graph belongs to
    the thread that recorded it: call it from the thread that warmed it up, or the next thread records anew.

    Args:
        unet: its weights are laid out anew, channels last; their values stay.
    """

    def __init__(self, unet):
        mode = "reduce-overhead" if unet.device.type == "cuda" else "default"
        self._unet = torch.compile(unet.to(memory_format=torch.channels_last), mode=mode, dynamic=False)

    def __call__(self, *arguments, **keywords):
        """As PyTorch's modules have it."""
        return self.forward(*arguments, **keywords)

    def forward(self, sample, timestep, encoder_hidden_states, class_labels=None, return_dict=False):
        """Arguments and result as those of the UNet; the result is a 1-tuple."""
        timestep = torch.as_tensor(timestep, device=sample.device)  # one on the CPU would rule out a CUDA graph
        torch.compiler.cudagraph_mark_step_begin()
        output = self._unet(
            sample, timestep, encoder_hidden_states=encoder_hidden_states, class_labels=class_labels, return_dict=False
        )[0]
        return (output.clone(),)  # the graph's next run writes over its output
