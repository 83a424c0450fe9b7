"""What models of every project share: tables, encoders, splits, metrics, and the frame of train and predict functions.

It goes into every image, as ``common_utils``, beside ``utils`` and the ground floor of ``trainyard``.
"""
