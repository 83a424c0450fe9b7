import numpy as np

SIZES = np.array([[1.4, 0.2], [4.7, 1.4], [6.0, 2.5]])
NAMES = np.array(["setosa", "versicolor", "virginica"])


def train_model():
    return lambda instances: NAMES[((instances[:, None] - SIZES) ** 2).sum(axis=2).argmin(axis=1)]
