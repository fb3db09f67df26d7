"""What is a house in Windsor worth? From a CSV file to a model and its metrics.

    limosa run --remote house_prices.py --houses data/windsor.csv

Cleans the file, tries one penalty per pod, trains with the best, evaluates on houses the training never saw, and
publishes the model only if it is good enough.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from model import FLAGS, NUMBERS, TARGET, HouseModel, fit, r_squared

from limosa import File, Resources, conditional, map_task, task, workflow

SMALL = Resources(cpu="250m", mem="512Mi")


@dataclass
class Trial:
    """One penalty and how well it did on held-out folds."""

    penalty: float
    score: float


@dataclass
class Metrics:
    """How good the model is on houses it has not seen."""

    r2: float
    median_error_dollars: float
    houses: int


class Split(NamedTuple):
    """Houses to learn from and houses to judge by."""

    train: pd.DataFrame
    test: pd.DataFrame


class Result(NamedTuple):
    """What the workflow gives."""

    model: File
    metrics: Metrics
    verdict: str


@task(resources=SMALL)
def clean(houses: File) -> pd.DataFrame:
    """Reads the CSV, keeps complete rows with a price and a lot, and says what it dropped."""
    raw = pd.read_csv(houses.path)
    missing = [name for name in [TARGET, *NUMBERS, *FLAGS] if name not in raw.columns]
    if missing:
        raise ValueError(f"{houses.path}: the file lacks the columns {', '.join(missing)}")
    kept = raw.dropna()
    kept = kept[(kept[TARGET] > 0) & (kept["lotsize"] > 0)].reset_index(drop=True)
    print(f"kept {len(kept)} of {len(raw)} houses")
    return kept


@task(resources=SMALL)
def split(houses: pd.DataFrame, test_share: float, seed: int) -> Split:
    """Sets a random share of the houses aside for the evaluation."""
    test = houses.sample(frac=test_share, random_state=seed)
    return Split(houses.drop(test.index).reset_index(drop=True), test.reset_index(drop=True))


@task(resources=SMALL, retries=1)
def try_penalty(penalty: float, train: pd.DataFrame) -> Trial:
    """Five-fold cross-validation of one penalty; runs in a pod of its own."""
    folds = [train.iloc[start::5] for start in range(5)]
    scores = [r_squared(fit(train.drop(fold.index), penalty), fold) for fold in folds]
    score = sum(scores) / len(scores)
    print(f"penalty {penalty:g}: R² {score:.4f}")
    return Trial(penalty, score)


@task
def choose(trials: list[Trial]) -> Trial:
    """The trial with the best score."""
    return max(trials, key=lambda trial: trial.score)


@task(resources=SMALL)
def train_model(train: pd.DataFrame, best: Trial) -> File:
    """Trains on all training houses and writes the model, preprocessing included."""
    path = Path("model.json")
    fit(train, best.penalty).save(path)
    return File(path)


@task(resources=SMALL)
def evaluate(model: File, test: pd.DataFrame) -> Metrics:
    """Judges the model on the houses set aside."""
    loaded = HouseModel.load(Path(model.path))
    errors = (test[TARGET] - loaded.predict(test)).abs()
    return Metrics(r_squared(loaded, test), float(errors.median()), len(test))


@task
def publish(metrics: Metrics) -> str:
    """The model is good enough."""
    return f"published: R² {metrics.r2:.3f}, half of the prices within {metrics.median_error_dollars:,.0f} dollars"


@task
def reject(metrics: Metrics, needed: float) -> str:
    """The model is not good enough."""
    return f"rejected: R² {metrics.r2:.3f} is below {needed}"


@workflow
def house_prices(
    houses: File,
    penalties: list[float] = [0.1, 1.0, 10.0, 100.0],  # noqa: B006
    test_share: float = 0.25,
    seed: int = 7,
    needed: float = 0.5,
) -> Result:
    """Trains a model of house prices and publishes it if it explains enough of the variance."""
    parts = split(houses=clean(houses=houses), test_share=test_share, seed=seed)
    trials = map_task(try_penalty)(penalty=penalties, train=parts.train)
    model = train_model(train=parts.train, best=choose(trials=trials))
    metrics = evaluate(model=model, test=parts.test)
    verdict = (
        conditional("good-enough")
        .if_(metrics.r2 >= needed)
        .then(publish(metrics=metrics))
        .else_()
        .then(reject(metrics=metrics, needed=needed))
    )
    return Result(model, metrics, verdict)
