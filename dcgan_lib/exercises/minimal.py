"""Checks of notebook 7's exercises."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from dcgan_lib.exercises import WrongAnswer, exercise
from dcgan_lib.models.dcgan import Discriminator, Generator
from dcgan_lib.models.minimal import MinimalDiscriminator, MinimalGenerator
from dcgan_lib.quality.metrics import checkerboard

WEIGHED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


@exercise
def step_work(answer: Callable[[nn.Module, nn.Module, Tensor, Tensor], float]) -> str:
    """Whether the answer counts the multiply-adds of one step of training, for one image."""
    z, image = torch.randn(1, 100), torch.randn(1, 3, 64, 64)
    pairs = {
        "the minimal GAN": (MinimalGenerator(), MinimalDiscriminator()),
        "the minimal GAN of width 8 and kernel 3": (MinimalGenerator(width=8, kernel=3), MinimalDiscriminator(3, 8, 3)),
        "the DCGAN of width 32": (Generator(width=32), Discriminator(width=32)),
    }
    found = {}
    for name, (generator, discriminator) in pairs.items():
        hooks = sum(len(layer._forward_hooks) for layer in [*generator.modules(), *discriminator.modules()])
        g, d = _multiply_adds(generator.eval(), z), _multiply_adds(discriminator.eval(), image)
        found[name] = float(answer(generator, discriminator, z, image))
        _compare(name, found[name], g, d, generator, discriminator, z, image)
        if sum(len(layer._forward_hooks) for layer in [*generator.modules(), *discriminator.modules()]) > hooks:
            raise WrongAnswer("the counts are right, but its hooks stay on the layers: remove them")
    minimal, dcgan = found["the minimal GAN"], found["the DCGAN of width 32"]
    return (
        f"a step costs {minimal / 1e6:,.0f} million multiply-adds an image, {dcgan / 1e6:,.0f} in the DCGAN of width "
        f"32: {minimal / dcgan:.1f} times as many"
    )


def _compare(name: str, found: float, g: int, d: int, generator: nn.Module, discriminator: nn.Module, *inputs) -> None:
    """Raise `WrongAnswer` for a count that is not that of a step; `g` and `d` are those of a forward pass."""
    if _same(found, 3 * g + 8 * d):
        return
    strided = _multiply_adds(generator, inputs[0], transposed=False)
    counts = {
        g + 3 * d: "those are the forward passes: the way back is missing",
        g + d: "that is one forward pass of each network: a step has more, and a way back",
        3 * g + 9 * d: "the third time that D is passed, its own weights don't change: what need not be computed then?",
        3 * g + 6 * d: "D's third pass is missing: G's update goes through D as well",
        3 * g + 3 * d: "D sees more than one image for each that G draws",
        3 * strided + 8 * d: "G's share is too large: on how many places does a transposed convolution lay its kernel?",
        sum(w.numel() for net in (generator, discriminator) for w in net.parameters()): "those are the parameters",
    }
    for count, says in counts.items():
        if _same(found, count):
            raise WrongAnswer(says)
    raise WrongAnswer(f"{name}: {found:,.0f} is {found / (3 * g + 8 * d):.2f} times the right number")


def _same(found: float, expected: float) -> bool:
    return abs(found - expected) <= 0.002 * expected  # whether biases are counted doesn't matter


def _multiply_adds(network: nn.Module, x: Tensor, transposed: bool = True) -> int:
    """Of one pass of x (1, …); with `transposed` false as if transposed convolutions laid kernels on their output."""
    total = 0

    def add(layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        nonlocal total
        grid = inputs[0] if transposed and isinstance(layer, nn.ConvTranspose2d) else output
        total += layer.weight.numel() * grid[0, 0].numel()

    hooks = [layer.register_forward_hook(add) for layer in network.modules() if isinstance(layer, WEIGHED)]
    with torch.no_grad():
        network(x)
    for hook in hooks:
        hook.remove()
    return total


@exercise
def doubling(answer: Callable[[int], dict[str, int]]) -> str:
    """Whether transposed convolutions with these options double the side; tells how kernels 4 and 5 weave."""
    for kernel in (5, 4, 3, 6, 7):
        options = answer(kernel)
        if not isinstance(options, dict) or set(options) != {"padding", "output_padding"}:
            raise WrongAnswer('a dictionary was asked, {"padding": …, "output_padding": …}')
        if options["output_padding"] not in (0, 1):
            raise WrongAnswer(f"kernel {kernel}: with stride 2, PyTorch takes an output_padding of 0 or 1 only")
        layer = nn.ConvTranspose2d(2, 3, kernel, stride=2, **options)
        for side in (4, 8):
            becomes = layer(torch.zeros(1, 2, side, side)).shape[-1]
            if becomes != 2 * side:
                raise WrongAnswer(f"with kernel {kernel}, {side} pixels a side become {becomes}")
    weaves = {kernel: [_weave(answer(kernel), kernel, seed) for seed in range(3)] for kernel in (4, 5)}
    more = {4 if four > five else 5 for four, five in zip(weaves[4], weaves[5], strict=True)}
    told = "; ".join(f"kernel {kernel}: {', '.join(f'{x:.1f}' for x in weave)}" for kernel, weave in weaves.items())
    verdict = f"kernel {more.pop()} weaves more each time" if len(more) == 1 else "neither weaves more each time"
    return f"all kernels double the side. Checkerboards of three untrained generators: {told}; {verdict}"


def _weave(options: dict[str, int], kernel: int, seed: int) -> float:
    """The checkerboard of 64 images of an untrained minimal generator whose doublings have this kernel."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(seed)
        generator = MinimalGenerator()
        for place, layer in enumerate(generator.main):
            if isinstance(layer, nn.ConvTranspose2d) and kernel != layer.kernel_size[0]:
                other = nn.ConvTranspose2d(layer.in_channels, layer.out_channels, kernel, stride=2, **options)
                nn.init.xavier_uniform_(other.weight)
                nn.init.zeros_(other.bias)
                generator.main[place] = other
        return checkerboard(generator(torch.randn(64, 100)))
