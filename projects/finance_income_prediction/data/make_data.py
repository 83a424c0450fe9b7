"""Generates ``adult_income-prepped.csv``: invented people in the layout of the census-income (adult) table.

No row is a real person's. The columns, their spelling and the rough shares of each value follow the published table;
the label comes from the score in ``_income_score`` plus chance. Python's ``random.Random`` alone is used, and of it
only ``random()``, whose sequence for a seed is the same in every version.

Run it as ``python projects/finance_income_prediction/data/make_data.py [output.csv]``.
"""

from __future__ import annotations

import csv
import math
import sys
from pathlib import Path
from random import Random
from typing import Any

SEED = 1994
ROWS = 12_000
COLUMNS = (
    "age", "workclass", "fnlwgt", "education", "educational-num", "marital-status", "occupation", "relationship",
    "race", "gender", "capital-gain", "capital-loss", "hours-per-week", "native-country", "income",
)  # fmt: skip

# name: (years as educational-num counts them, share in percent)
EDUCATION = {
    "Preschool": (1, 0.2), "1st-4th": (2, 0.5), "5th-6th": (3, 1.0), "7th-8th": (4, 2.0), "9th": (5, 1.6),
    "10th": (6, 2.8), "11th": (7, 3.7), "12th": (8, 1.3), "HS-grad": (9, 32.3), "Some-college": (10, 22.3),
    "Assoc-voc": (11, 4.2), "Assoc-acdm": (12, 3.3), "Bachelors": (13, 16.4), "Masters": (14, 5.4),
    "Prof-school": (15, 1.7), "Doctorate": (16, 1.2),
}  # fmt: skip
# name: (effect on the score, share among people without a degree, and with one)
OCCUPATION = {
    "Exec-managerial": (0.75, 8, 25), "Prof-specialty": (0.55, 5, 40), "Tech-support": (0.45, 3, 4),
    "Protective-serv": (0.35, 2.3, 1.5), "Sales": (0.20, 11, 12), "Craft-repair": (0.0, 17, 3),
    "Adm-clerical": (-0.05, 14, 7), "Transport-moving": (-0.15, 6.5, 0.8), "Machine-op-inspct": (-0.35, 8.5, 1),
    "Farming-fishing": (-0.95, 4, 1), "Handlers-cleaners": (-0.8, 6, 0.7), "Other-service": (-0.9, 12, 2),
    "Armed-Forces": (0.0, 0.05, 0.05), "Priv-house-serv": (-1.6, 0.7, 0.1), "?": (-0.5, 6.5, 3),
}  # fmt: skip
WORKCLASS = {
    "Private": (0.0, 73.8), "Self-emp-not-inc": (-0.35, 8.4), "Local-gov": (-0.1, 6.8), "State-gov": (-0.15, 4.3),
    "Self-emp-inc": (0.35, 3.7), "Federal-gov": (0.45, 3.0),
}  # fmt: skip
RACE = {"White": 85.5, "Black": 9.6, "Asian-Pac-Islander": 3.1, "Amer-Indian-Eskimo": 1.0, "Other": 0.8}
COUNTRY = {
    "United-States": 89.7, "Mexico": 2.0, "?": 1.8, "Philippines": 0.6, "Germany": 0.45, "Puerto-Rico": 0.4,
    "Canada": 0.4, "El-Salvador": 0.35, "India": 0.33, "Cuba": 0.3, "England": 0.3, "China": 0.28, "South": 0.26,
    "Jamaica": 0.24, "Italy": 0.24, "Dominican-Republic": 0.23, "Japan": 0.21, "Guatemala": 0.2, "Poland": 0.2,
    "Vietnam": 0.2, "Columbia": 0.19, "Haiti": 0.17, "Portugal": 0.15, "Taiwan": 0.14, "Iran": 0.13, "Greece": 0.11,
    "Nicaragua": 0.11, "Peru": 0.1, "Ecuador": 0.1, "France": 0.1, "Ireland": 0.09, "Hong": 0.08, "Thailand": 0.07,
    "Cambodia": 0.06, "Trinadad&Tobago": 0.06, "Laos": 0.05, "Yugoslavia": 0.05, "Scotland": 0.05, "Honduras": 0.05,
    "Hungary": 0.05, "Outlying-US(Guam-USVI-etc)": 0.05, "Holand-Netherlands": 0.01,
}  # fmt: skip
CAPITAL_GAINS = (594, 914, 2174, 3103, 3325, 3908, 4386, 5013, 5178, 7298, 7688, 8614, 10520, 13550, 15024, 99999)
CAPITAL_LOSSES = (625, 1408, 1485, 1590, 1602, 1672, 1740, 1887, 1902, 1977, 2001, 2258, 2415)


def main() -> None:
    """Write the table to the path on the command line, or beside this script."""
    default = Path(__file__).with_name("adult_income-prepped.csv")
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    chance = Random(SEED)  # noqa: S311 -- data, not secrets
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for _ in range(ROWS):
            person = _person(chance)
            writer.writerow([_spelled(column, person[column]) for column in COLUMNS])
    print(f"{path}: {ROWS} generated rows")


def _person(chance: Random) -> dict[str, Any]:
    age = round(_between(17, 17 - 7.3 * sum(math.log(1 - chance.random()) for _ in range(3)), 90))
    education = _grown_up(_pick(chance, {name: share for name, (_, share) in EDUCATION.items()}), age)
    years = EDUCATION[education][0]
    gender = "Male" if chance.random() < 0.67 else "Female"
    marital = _marital_status(chance, age, gender)
    occupation = _pick(chance, {name: share[2 if years >= 13 else 1] for name, share in OCCUPATION.items()})
    unknown = occupation == "?"
    person: dict[str, Any] = {
        "age": age,
        "workclass": "?" if unknown else _pick(chance, {name: share for name, (_, share) in WORKCLASS.items()}),
        "fnlwgt": round(_between(12_285, 189_000 * math.exp(0.5 * _normal(chance)), 1_484_705)),
        "education": education,
        "educational-num": years,
        "marital-status": marital,
        "occupation": occupation,
        "relationship": _relationship(chance, marital, gender, age),
        "race": _pick(chance, RACE),
        "gender": gender,
        "capital-gain": 0,
        "capital-loss": 0,
        "hours-per-week": _hours(chance, age, gender),
        "native-country": _pick(chance, COUNTRY),
    }
    score = _income_score(person)
    wealth = 1 / (1 + math.exp(-score))
    if chance.random() < 0.03 + 0.14 * wealth:
        person["capital-gain"] = CAPITAL_GAINS[int(len(CAPITAL_GAINS) * (0.75 * chance.random() + 0.25 * wealth))]
    elif chance.random() < 0.02 + 0.07 * wealth:
        person["capital-loss"] = CAPITAL_LOSSES[int(len(CAPITAL_LOSSES) * chance.random())]
    score += 3.5 * (person["capital-gain"] > 5_100) + 1.2 * (person["capital-loss"] > 1_800)
    person["income"] = int(chance.random() < 1 / (1 + math.exp(-score)))
    return person


def _income_score(person: dict[str, Any]) -> float:
    """The log odds of the label 1: mostly additive, with a few steps and products that only trees can see."""
    married = person["marital-status"] in ("Married-civ-spouse", "Married-AF-spouse")
    years, age, hours = person["educational-num"], person["age"], person["hours-per-week"]
    score = -4.62 + 0.36 * (years - 9)
    score += OCCUPATION[person["occupation"]][0] * 1.2 + WORKCLASS.get(person["workclass"], (-0.3, 0))[0]
    score += 2.7 * married + 0.55 * (married and years >= 13) + 0.25 * (person["gender"] == "Male")
    score += 1.9 * math.exp(-(((age - 49) / 13.5) ** 2)) - 0.7 * (age < 24) - 0.8 * (age > 66)
    score += 0.045 * (_between(15, hours, 60) - 40) - 0.5 * (hours < 25)
    score += 0.8 * (person["occupation"] == "Exec-managerial" and hours >= 48)
    return score * 1.02


def _marital_status(chance: Random, age: int, gender: str) -> str:
    single = _between(0.06, 1.05 - (age - 18) * 0.037, 0.97)
    if chance.random() < single:
        return "Never-married"
    together = {"Married-civ-spouse": 78.0 if gender == "Male" else 41.0, "Married-AF-spouse": 0.1}
    apart = {"Divorced": 20.0, "Separated": 4.5, "Married-spouse-absent": 1.8, "Widowed": 1 + max(0, age - 50) * 0.5}
    return _pick(chance, together | apart)


def _relationship(chance: Random, marital: str, gender: str, age: int) -> str:
    if marital in ("Married-civ-spouse", "Married-AF-spouse"):
        return "Other-relative" if chance.random() < 0.01 else ("Husband" if gender == "Male" else "Wife")
    at_home = 0.75 if age < 22 else 0.25 if age < 35 else 0.06
    return _pick(chance, {"Own-child": at_home, "Not-in-family": 0.5, "Unmarried": 0.25, "Other-relative": 0.06})


def _hours(chance: Random, age: int, gender: str) -> int:
    if chance.random() < 0.47 and 22 <= age <= 65:
        return 40
    middle = 42.0 if gender == "Male" else 37.0
    return round(_between(1, middle - (13 if age < 22 or age > 65 else 0) + 12 * _normal(chance), 99))


def _grown_up(education: str, age: int) -> str:
    """Nobody holds a degree before the age for it."""
    years = EDUCATION[education][0]
    return "Some-college" if (age < 21 and years > 10) or (age < 25 and years > 13) else education


def _normal(chance: Random) -> float:
    """Near enough to a standard normal: twelve uniform numbers, added exactly the same everywhere."""
    return sum(chance.random() for _ in range(12)) - 6


def _pick(chance: Random, shares: dict[str, float]) -> str:
    point = chance.random() * sum(shares.values())
    for name, share in shares.items():
        point -= share
        if point < 0:
            return name
    return next(iter(shares))


def _between(low: float, value: float, high: float) -> float:
    return min(max(low, value), high)


def _spelled(column: str, value: Any) -> Any:
    """Text carries its column's name, as in the historical file: ``workclass_Private``."""
    return f"{column}_{value}" if isinstance(value, str) else value


if __name__ == "__main__":
    main()
