"""The predict functions of every model."""

from shopping.linear.predict import predict_price_linear
from shopping.middle.predict import predict_price_middle
from shopping.nearest.predict import predict_price_nearest

__all__ = ["predict_price_linear", "predict_price_middle", "predict_price_nearest"]
