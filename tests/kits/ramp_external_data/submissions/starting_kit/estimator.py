from pathlib import Path

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder


def _merge_external_data(X):
    weather = pd.read_csv(Path(__file__).parent / 'external_data.csv', parse_dates=['date'])
    X = X.merge(weather, on='date', how='left')
    X['is_weekend'] = (X['date'].dt.day_of_week >= 5).astype(float)
    return X


def get_estimator():
    columns = ColumnTransformer([
        ('site', OneHotEncoder(handle_unknown='ignore'), ['counter_name']),
        ('numbers', 'passthrough', ['rain', 'is_weekend']),
    ])
    return make_pipeline(FunctionTransformer(_merge_external_data, validate=False), columns, Ridge(alpha=0.5))
