"""Ridge regression on house features, with its preprocessing inside the model.

What a raw row needs before the arithmetic (which columns, how yes/no becomes a number, means and scales learned
at training) is stored with the weights. A prediction takes raw rows and nothing else, so changing a feature of a row
changes its price: nothing is fitted at prediction time.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

NUMBERS = ["lotsize", "bedrooms", "bathrms", "stories", "garagepl"]
FLAGS = ["driveway", "recroom", "fullbase", "gashw", "airco", "prefarea"]
TARGET = "price"


@dataclass
class HouseModel:
    """Weights and the preprocessing they belong to; stored as JSON."""

    columns: list[str]
    means: list[float]
    scales: list[float]
    weights: list[float]
    intercept: float
    """Of the logarithm of the price."""

    def predict(self, houses: pd.DataFrame) -> np.ndarray:
        """Prices in dollars for raw rows (yes/no or booleans for flags)."""
        scaled = (features(houses)[self.columns].to_numpy(float) - self.means) / self.scales
        prices: np.ndarray = np.exp(scaled @ np.array(self.weights) + self.intercept)
        return prices

    def save(self, path: Path) -> None:
        """Writes the model as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1))

    @classmethod
    def load(cls, path: Path) -> "HouseModel":
        """Reads what `save` wrote."""
        return cls(**json.loads(path.read_text()))


def features(houses: pd.DataFrame) -> pd.DataFrame:
    """The numeric features of raw rows: lot size by its logarithm, flags as 0 and 1."""
    numbers = houses[NUMBERS].astype(float)
    numbers["lotsize"] = np.log(numbers["lotsize"])
    flags = houses[FLAGS].apply(lambda column: column.isin(["yes", True]).astype(float))
    joined: pd.DataFrame = pd.concat([numbers, flags], axis=1)
    return joined


def fit(houses: pd.DataFrame, penalty: float) -> HouseModel:
    """Learns preprocessing and weights together; `penalty` is the ridge's (0 is least squares)."""
    table = features(houses)
    raw = table.to_numpy(float)
    means, scales = raw.mean(axis=0), raw.std(axis=0)
    scales[scales == 0] = 1.0
    scaled = (raw - means) / scales
    target = np.log(houses[TARGET].to_numpy(float))
    gram = scaled.T @ scaled + penalty * np.eye(scaled.shape[1])
    weights = np.linalg.solve(gram, scaled.T @ (target - target.mean()))
    return HouseModel(
        list(table.columns), means.tolist(), scales.tolist(), weights.tolist(), float(target.mean())
    )


def r_squared(model: HouseModel, houses: pd.DataFrame) -> float:
    """Share of the variance of the logarithm of the price that the model explains."""
    actual, predicted = np.log(houses[TARGET].to_numpy(float)), np.log(model.predict(houses))
    return float(1 - ((actual - predicted) ** 2).sum() / ((actual - actual.mean()) ** 2).sum())
