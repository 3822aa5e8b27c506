"""Networks to learn from: random ones in the manner of every family of architectures, written without a framework.

A network is drawn by its number alone, so a calibration that goes on later goes on with the next numbers, and two
machines learn from the same ones. Shapes are log-spaced over what published models have.
"""

from sartor.measure.calibration_networks.drawn import FAMILIES, Drawn, draw, name_of

__all__ = ["FAMILIES", "Drawn", "draw", "name_of"]
