"""What packages of models have removed, in which version, and what to write instead; what no linter knows.

tests/test_removed.py compares the rows with the packages that are installed where the tests run.
"""

from __future__ import annotations

from dataclasses import dataclass

SKLEARN, PANDAS, SCIPY, PYTHON = "scikit-learn", "pandas", "scipy", "python"
IMPORTED_AS = {SKLEARN: "sklearn", PANDAS: "pandas", SCIPY: "scipy"}


@dataclass(frozen=True)
class Removed:
    """``package`` had it before ``version``."""

    package: str
    version: str
    fix: str


@dataclass(frozen=True)
class Argument(Removed):
    """``name=value`` of the callables, which are found by the last part of their names; without ``value`` any value."""

    callables: tuple[str, ...]
    name: str
    value: str | None = None


@dataclass(frozen=True)
class Name(Removed):
    """A module, or what is in one, by its dotted name."""

    name: str


@dataclass(frozen=True)
class Method(Removed):
    """A method of objects whose class cannot be seen in the code: found by its name, and an ``argument`` where other
    classes have a method of that name, too."""

    name: str
    argument: str = ""


@dataclass(frozen=True)
class Changed(Removed):
    """A call that gives something else since that version, unless it has the ``argument``."""

    name: str
    argument: str
    what: str


LARS = ("Lars", "LarsCV", "LassoLars", "LassoLarsCV", "LassoLarsIC", "OrthogonalMatchingPursuit",
        "OrthogonalMatchingPursuitCV")  # fmt: skip
LINEAR = ("LinearRegression", "Ridge", "RidgeCV", "RidgeClassifier", "RidgeClassifierCV", "Lasso", "LassoCV",
          "ElasticNet", "ElasticNetCV", "MultiTaskLasso", "MultiTaskLassoCV", "MultiTaskElasticNet",
          "MultiTaskElasticNetCV", "BayesianRidge", "ARDRegression")  # fmt: skip
TREES = ("DecisionTreeRegressor", "ExtraTreeRegressor", "RandomForestRegressor", "ExtraTreesRegressor")
CLASSIFIERS = ("DecisionTreeClassifier", "ExtraTreeClassifier", "RandomForestClassifier", "ExtraTreesClassifier")
BOOSTING = ("GradientBoostingClassifier", "GradientBoostingRegressor")
HIST = ("HistGradientBoostingClassifier",)
HIST_REGRESSOR = ("HistGradientBoostingRegressor",)
ENSEMBLES = ("AdaBoostClassifier", "AdaBoostRegressor", "BaggingClassifier", "BaggingRegressor",
             "CalibratedClassifierCV")  # fmt: skip
SCALE = "put a StandardScaler before it in a pipeline"
SQUARED, ABSOLUTE, LOG = 'write "squared_error"', 'write "absolute_error"', 'write "log_loss"'

ARGUMENTS = (
    Argument(SKLEARN, "1.2", SCALE, LINEAR, "normalize"),
    Argument(SKLEARN, "1.4", SCALE, LARS, "normalize"),
    Argument(SKLEARN, "1.3", LOG, ("GradientBoostingClassifier",), "loss", "deviance"),
    Argument(SKLEARN, "1.2", SQUARED, ("GradientBoostingRegressor",), "loss", "ls"),
    Argument(SKLEARN, "1.2", ABSOLUTE, ("GradientBoostingRegressor",), "loss", "lad"),
    Argument(SKLEARN, "1.2", SQUARED, (*TREES, *BOOSTING), "criterion", "mse"),
    Argument(SKLEARN, "1.2", ABSOLUTE, TREES, "criterion", "mae"),
    Argument(SKLEARN, "1.1", SQUARED, BOOSTING, "criterion", "mae"),
    Argument(SKLEARN, "1.3", "write 1.0", TREES, "max_features", "auto"),
    Argument(SKLEARN, "1.3", 'write "sqrt"', CLASSIFIERS, "max_features", "auto"),
    Argument(SKLEARN, "1.3", LOG, ("SGDClassifier",), "loss", "log"),
    Argument(SKLEARN, "1.2", SQUARED, ("SGDClassifier", "SGDRegressor"), "loss", "squared_loss"),
    Argument(SKLEARN, "1.3", LOG, HIST, "loss", "auto"),
    Argument(SKLEARN, "1.3", LOG, HIST, "loss", "binary_crossentropy"),
    Argument(SKLEARN, "1.3", LOG, HIST, "loss", "categorical_crossentropy"),
    Argument(SKLEARN, "1.2", SQUARED, HIST_REGRESSOR, "loss", "least_squares"),
    Argument(SKLEARN, "1.2", ABSOLUTE, HIST_REGRESSOR, "loss", "least_absolute_deviation"),
    Argument(SKLEARN, "1.2", ABSOLUTE, ("RANSACRegressor",), "loss", "absolute_loss"),
    Argument(SKLEARN, "1.2", SQUARED, ("RANSACRegressor",), "loss", "squared_loss"),
    Argument(SKLEARN, "1.3", "write estimator=", ("RANSACRegressor",), "base_estimator"),
    Argument(SKLEARN, "1.4", "write estimator=", ENSEMBLES, "base_estimator"),
    Argument(SKLEARN, "1.4", "write sparse_output=", ("OneHotEncoder",), "sparse"),
    Argument(SKLEARN, "0.22", "use a ColumnTransformer", ("OneHotEncoder",), "categorical_features"),
    Argument(SKLEARN, "0.22", "write categories=", ("OneHotEncoder",), "n_values"),
    Argument(SKLEARN, "1.4", "write penalty=None", ("LogisticRegression",), "penalty", "none"),
    Argument(SKLEARN, "1.0", "leave it out", ("KMeans",), "n_jobs"),
    Argument(SKLEARN, "1.0", "leave it out", ("KMeans",), "precompute_distances"),
    Argument(SKLEARN, "1.4", 'write "lloyd"', ("KMeans",), "algorithm", "auto"),
    Argument(SKLEARN, "1.4", 'write "lloyd"', ("KMeans",), "algorithm", "full"),
    Argument(SKLEARN, "1.4", "write metric=", ("AgglomerativeClustering", "FeatureAgglomeration"), "affinity"),
    Argument(SKLEARN, "0.24", "leave it out", ("GridSearchCV", "RandomizedSearchCV"), "iid"),
    Argument(SKLEARN, "1.0", "write min_impurity_decrease=", (*TREES, *CLASSIFIERS, *BOOSTING), "min_impurity_split"),
    Argument(SKLEARN, "0.24", "leave it out", (*BOOSTING, *TREES, *CLASSIFIERS), "presort"),
    Argument(SKLEARN, "1.6", "use root_mean_squared_error", ("mean_squared_error", "mean_squared_log_error"),
             "squared"),
    Argument(SKLEARN, "1.6", "write response_method=", ("make_scorer",), "needs_proba"),
    Argument(SKLEARN, "1.6", "write response_method=", ("make_scorer",), "needs_threshold"),
    Argument(PANDAS, "2.0", "write on_bad_lines=", ("read_csv", "read_table"), "error_bad_lines"),
    Argument(PANDAS, "2.0", "write on_bad_lines=", ("read_csv", "read_table"), "warn_bad_lines"),
    Argument(PANDAS, "2.0", 'call .squeeze("columns") on the result', ("read_csv", "read_table"), "squeeze"),
    Argument(PANDAS, "2.0", "rename the columns of the result", ("read_csv", "read_table"), "prefix"),
    Argument(PANDAS, "2.0", "leave it out", ("read_csv", "read_table"), "mangle_dupe_cols"),
    Argument(PANDAS, "3.0", "write date_format=", ("read_csv", "read_table"), "date_parser"),
    Argument(PANDAS, "3.0", 'write sep=r"\\s+"', ("read_csv",), "delim_whitespace"),
)  # fmt: skip

NAMES = (
    Name(SKLEARN, "0.20", "use sklearn.model_selection", "sklearn.cross_validation"),
    Name(SKLEARN, "0.20", "use sklearn.model_selection", "sklearn.grid_search"),
    Name(SKLEARN, "0.20", "use sklearn.model_selection", "sklearn.learning_curve"),
    Name(SKLEARN, "0.23", "import joblib", "sklearn.externals.joblib"),
    Name(SKLEARN, "0.23", "import six", "sklearn.externals.six"),
    Name(SKLEARN, "0.22", "use sklearn.impute.SimpleImputer", "sklearn.preprocessing.Imputer"),
    Name(SKLEARN, "0.22", "use sklearn.impute.SimpleImputer", "sklearn.preprocessing.imputation"),
    Name(SKLEARN, "0.23", "use jaccard_score", "sklearn.metrics.jaccard_similarity_score"),
    Name(SKLEARN, "0.24", "import it from sklearn.ensemble", "sklearn.ensemble.forest"),
    Name(SKLEARN, "0.24", "import it from sklearn.ensemble", "sklearn.ensemble.gradient_boosting"),
    Name(SKLEARN, "0.24", "import it from sklearn.linear_model", "sklearn.linear_model.logistic"),
    Name(SKLEARN, "0.24", "import it from sklearn.tree", "sklearn.tree.tree"),
    Name(SKLEARN, "0.24", "use sklearn.utils._testing, or the tests' own", "sklearn.utils.testing"),
    Name(SKLEARN, "1.2", "use fetch_california_housing", "sklearn.datasets.load_boston"),
    Name(SKLEARN, "1.2", "use ConfusionMatrixDisplay.from_estimator", "sklearn.metrics.plot_confusion_matrix"),
    Name(SKLEARN, "1.2", "use RocCurveDisplay.from_estimator", "sklearn.metrics.plot_roc_curve"),
    Name(SKLEARN, "1.2", "use PrecisionRecallDisplay.from_estimator", "sklearn.metrics.plot_precision_recall_curve"),
    Name(SKLEARN, "1.3", "use get_scorer_names()", "sklearn.metrics.SCORERS"),
    Name(PANDAS, "2.0", "write Index(..., dtype=int)", "pandas.Int64Index"),
    Name(PANDAS, "2.0", "write Index(..., dtype=float)", "pandas.Float64Index"),
    Name(PANDAS, "2.0", "import datetime", "pandas.datetime"),
    Name(PANDAS, "2.0", "import numpy", "pandas.np"),
    Name(PANDAS, "1.0", "use DataFrame with a MultiIndex", "pandas.Panel"),
    Name(PANDAS, "2.0", "use pandas.json_normalize", "pandas.io.json.json_normalize"),
    Name(SCIPY, "1.2", "use imageio.imread", "scipy.misc.imread"),
    Name(SCIPY, "1.14", "use scipy.integrate.simpson", "scipy.integrate.simps"),
    Name(SCIPY, "1.14", "use scipy.integrate.trapezoid", "scipy.integrate.trapz"),
    Name(SCIPY, "1.14", "use scipy.integrate.cumulative_trapezoid", "scipy.integrate.cumtrapz"),
    Name(PYTHON, "3.12", "use importlib", "imp"),
    Name(PYTHON, "3.12", "use packaging, or shutil", "distutils"),
    Name(PYTHON, "3.10", "import it from collections.abc", "collections.Mapping"),
    Name(PYTHON, "3.10", "import it from collections.abc", "collections.Iterable"),
    Name(PYTHON, "3.10", "import it from collections.abc", "collections.Sequence"),
    Name(PYTHON, "3.10", "import it from collections.abc", "collections.Callable"),
)

METHODS = (
    Method(SKLEARN, "1.2", "write get_feature_names_out", "get_feature_names"),
    Method(PANDAS, "2.0", "use pandas.concat", "append", "ignore_index"),
    Method(PANDAS, "2.0", "write items", "iteritems"),
    Method(PANDAS, "1.0", "write loc or iloc", "ix"),
    Method(PANDAS, "1.0", "write to_numpy()", "as_matrix"),
    Method(PANDAS, "3.0", "write map", "applymap"),
)

CHANGED = (
    Changed(PANDAS, "2.0", "write dtype=int where numbers are needed", "pandas.get_dummies", "dtype",
            "gives booleans, not 0 and 1,"),
)  # fmt: skip
