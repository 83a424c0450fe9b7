import numpy as np
import pandas as pd
from sklearn import preprocessing


class Encoder:
    """Scales numbers and encodes words, by the position of their columns."""

    def __init__(self, df):
        self.cat_col__ = [i for i in range(df.shape[1]) if df.iloc[:, i].dtype in ("object", "str")]
        self.num_col__ = [i for i in range(df.shape[1]) if i not in self.cat_col__]

    def fit(self, X):
        self.scaler = preprocessing.StandardScaler().fit(X.iloc[:, self.num_col__].values.astype(float))
        self.words = {i: sorted(X.iloc[:, i].unique()) for i in self.cat_col__}
        return self

    def transform(self, X):
        X = pd.DataFrame(X)
        columns = [self.scaler.transform(X.iloc[:, self.num_col__].values.astype(float))]
        for i in self.cat_col__:
            columns.append(np.array([[word == known for known in self.words[i]] for word in X.iloc[:, i]], dtype=float))
        return np.hstack(columns)


def read_data(uri, outcome):
    """Whole, train and test part of a dataset, each as features and outcome."""
    parts = []
    for path in (uri, uri.replace(".csv", "-train.csv"), uri.replace(".csv", "-test.csv")):
        data = pd.read_csv(path)
        parts.append((data.drop(outcome, axis=1), data[outcome]))
    return parts
