"""The price of each row of a shopping list."""


def predict_price(msg):
    """Quantity times price of each ``[quantity, price]``."""
    return {"predictions": [quantity * price for quantity, price in msg["payload"]["instances"]]}
