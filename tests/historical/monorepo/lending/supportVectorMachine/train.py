from cortex import Cortex, Message
import json
import sys

# moved between versions of scikit-learn
try:
    from sklearn.cross_validation import train_test_split
except ImportError:
    from sklearn.model_selection import train_test_split
try:
    from sklearn.externals import joblib
except ImportError:
    import joblib
try:
    from sklearn.preprocessing.data import StandardScaler
except ImportError:
    from sklearn.preprocessing import StandardScaler
from sklearn import svm
import pandas as pd


def train(msg):
    data = pd.read_csv(msg.payload.get("$ref", "./data/loans-prepped.csv"))
    X, y = data[["age", "income"]].values, data["outcome"].values
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=0)
    scaler = StandardScaler().fit(X_train)
    model = svm.SVC(gamma="scale", random_state=0).fit(scaler.transform(X_train), y_train)
    print(model.score(scaler.transform(X_test), y_test))
    joblib.dump({"model": model, "scaler": scaler}, "models/{}.pkl".format(msg.payload.get("model_name")))


if __name__ == "__main__":
    print(train(Message(json.loads(sys.argv[1]))))
