"""How scenes look: the plain look, random ones, and one after RoboTwin's own renderings. It changes no motion."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from training.simulation.stage.textures import KINDS, Texture

Colour = tuple[float, float, float]  # RGB in 0..1
LOOKS = ("plain", "random", "robotwin", "mixed")


@dataclass(frozen=True)
class Appearance:
    """Everything that changes how a scene looks but not what happens in it. Colours are RGB in 0..1."""

    look: str = "plain"
    table: Colour = (0.80, 0.80, 0.79)
    wall: Colour = (1.0, 0.9, 0.9)
    shell: Colour = (0.80, 0.81, 0.83)
    dark: Colour = (0.16, 0.17, 0.19)
    accent: Colour = (0.10, 0.42, 0.75)
    finger: Colour | None = None  # None: as the shell
    bar: Colour = (0.55, 0.56, 0.58)
    handle: Colour = (0.62, 0.41, 0.20)
    table_texture: Texture | None = None
    wall_texture: Texture | None = None
    glow: float = 0.0  # share of their colour with which surfaces shine by themselves: no dark sides
    ambient: float = 0.42
    sun: float = 0.45
    sun_tint: Colour = (1.0, 1.0, 1.0)
    sun_direction: tuple[float, float, float] = (0.0, 0.5, -1.0)
    shadows: bool = True
    side_lights: float = 0.14
    side_shadows: bool = False
    heavy_arms: bool = False  # thick white forearms with dark panels and wide dark grippers instead of slim ones
    camera_offset: tuple[float, float, float] = (0.0, 0.0, 0.0)  # metres
    camera_tilt: tuple[float, float] = (0.0, 0.0)  # radians about the camera's x and y axes
    field_of_view: float = 37.0  # degrees from top to bottom; RoboTwin's D435


# Tuned beside RoboTwin 1.0's pictures (of 255): table 254 251 250, in shadow 210 to 235, wall 223 206 206, robot 38.
ROBOTWIN = Appearance(
    look="robotwin",
    table=(1.0, 0.985, 0.98),
    wall=(0.99, 0.915, 0.915),
    shell=(0.97, 0.97, 0.98),
    dark=(0.16, 0.16, 0.16),
    accent=(0.13, 0.13, 0.13),
    finger=(0.16, 0.16, 0.16),
    bar=(0.17, 0.17, 0.17),
    handle=(0.16, 0.16, 0.16),
    glow=0.25,
    ambient=0.43,
    sun=0.16,
    side_lights=0.09,
    side_shadows=True,
    heavy_arms=True,
)


def draw_appearance(look: str, rng: np.random.Generator) -> Appearance:
    """An episode's appearance for one of `LOOKS`; "mixed" draws one of the other three.

    "plain" takes nothing from `rng`. "robotwin" is always the same, as RoboTwin's own pictures are.
    """
    if look == "mixed":
        look = LOOKS[int(rng.integers(3))]
    if look == "robotwin":
        return ROBOTWIN
    return random_appearance(rng) if look == "random" else Appearance()


def random_appearance(rng: np.random.Generator) -> Appearance:
    """Draw light, shadows, colours, textures and camera (after RoboTwin 2.0's domain randomisation)."""
    table, wall = _surface(rng, 0.4, 0.95), _surface(rng, 0.3, 1.0)
    dark = float(rng.uniform(0.04, 0.3))
    arms = Appearance(
        look="random",
        shell=_shell(rng),
        dark=_near(rng, (dark, dark, dark), 0.06),
        accent=_near(rng, (0.5, 0.5, 0.5), 0.5),
        finger=_near(rng, (0.45, 0.45, 0.45), 0.4) if rng.random() < 0.5 else None,
        handle=_near(rng, (0.45, 0.35, 0.25), 0.3),
        heavy_arms=bool(rng.random() < 0.4),
    )
    warmth = rng.uniform(-0.15, 0.15)
    lit = replace(
        arms,
        ambient=float(rng.uniform(0.28, 0.55)),
        sun=float(rng.uniform(0.2, 0.75)),
        sun_tint=(1.0 + min(0.0, warmth), 1.0 - abs(warmth) / 3, 1.0 - max(0.0, warmth)),
        sun_direction=(float(rng.uniform(-0.8, 0.8)), float(rng.uniform(-0.4, 0.8)), -1.0),
        shadows=bool(rng.random() < 0.85),
        side_lights=float(rng.uniform(0.02, 0.25)),
        glow=float(rng.choice([0.0, 0.15, 0.3])),
    )
    return replace(
        lit,
        table=table,
        wall=wall,
        table_texture=_texture(rng, table),
        wall_texture=_texture(rng, wall),
        camera_offset=tuple(float(v) for v in rng.uniform(-0.04, 0.04, 3)),
        camera_tilt=tuple(float(v) for v in rng.uniform(-0.04, 0.04, 2)),
        field_of_view=float(rng.uniform(34.5, 41.0)),
    )


def _near(rng: np.random.Generator, base: Colour, spread: float) -> Colour:
    return tuple(float(v) for v in np.clip(np.asarray(base) + rng.uniform(-spread, spread, 3), 0.03, 1.0))


def _surface(rng: np.random.Generator, darkest: float, brightest: float) -> Colour:
    """A colour pale enough that every named colour stands out against it."""
    grey = float(rng.uniform(darkest, brightest))
    return _near(rng, (grey, grey, grey), 0.12)


def _shell(rng: np.random.Generator) -> Colour:
    """White, grey or dark as most robots are, or one strong colour."""
    if rng.random() < 0.25:
        return _near(rng, (0.5, 0.5, 0.5), 0.45)
    grey = float(rng.uniform(0.25, 0.95))
    return _near(rng, (grey, grey, grey), 0.05)


def _texture(rng: np.random.Generator, base: Colour) -> Texture | None:
    kind = str(rng.choice(["none", *KINDS], p=[0.4, *[0.6 / len(KINDS)] * len(KINDS)]))
    second, seed, repeat = _near(rng, base, 0.16), int(rng.integers(2**31)), float(rng.uniform(0.5, 3.0))
    return None if kind == "none" else Texture(kind, base, second, repeat, seed)
